// Crosscheck holds contrafact's log to an implementation that is not
// contrafact's: golang.org/x/mod/sumdb, by the authors of the tiled log.
//
//	go run . vectors               print roots and proofs, for the tests
//	go run . log FOLDER VKEY       check a log: note, tiles, entries, proofs
//
// VKEY is the log's Ed25519 key as signed notes have it: NAME+HASH+BASE64. With
// the Debian package golang-golang-x-mod-dev no network is needed:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go ...
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type proof struct {
	Size  int64    `json:"size"`
	Index int64    `json:"index"`
	Old   int64    `json:"old"`
	Root  string   `json:"root"`
	Proof []string `json:"proof"`
}

// stored keeps the hashes of a tree in memory, as tlog numbers them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = s[index]
	}
	return found, nil
}

func hexes(hashes []tlog.Hash) []string {
	texts := []string{}
	for _, hash := range hashes {
		texts = append(texts, hex.EncodeToString(hash[:]))
	}
	return texts
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func vectors() {
	var tree stored
	roots := map[int64]tlog.Hash{}
	const largest = 600
	for n := int64(0); n < largest; n++ {
		hashes, err := tlog.StoredHashes(n, []byte(fmt.Sprintf("leaf %d", n)), tree)
		must(err)
		tree = append(tree, hashes...)
		roots[n+1], err = tlog.TreeHash(n+1, tree)
		must(err)
	}
	inclusion, consistency := []proof{}, []proof{}
	for _, size := range []int64{1, 2, 3, 5, 8, 13, 100, 255, 256, 257, 512, 600} {
		root := roots[size]
		for _, index := range []int64{0, size / 3, size - 1} {
			path, err := tlog.ProveRecord(size, index, tree)
			must(err)
			known := proof{Size: size, Index: index, Proof: hexes(path)}
			known.Root = hex.EncodeToString(root[:])
			inclusion = append(inclusion, known)
		}
		for _, old := range []int64{1, size/2 + 1, size} {
			path, err := tlog.ProveTree(size, old, tree)
			must(err)
			known := proof{Size: size, Old: old, Proof: hexes(path)}
			known.Root = hex.EncodeToString(root[:])
			consistency = append(consistency, known)
		}
	}
	text, err := json.MarshalIndent(
		map[string][]proof{"inclusion": inclusion, "consistency": consistency}, "", " ")
	must(err)
	fmt.Println(string(text))
}

// folder reads the tiles of a log from where tlog-tiles puts them.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		// Go's paths begin with the height of tiles, which is always 8 here.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

func entries(root string, size int64) [][]byte {
	var all [][]byte
	for int64(len(all)) < size {
		tile := tlog.Tile{H: height, L: 0, N: int64(len(all)) / 256, W: 256}
		if rest := size - int64(len(all)); rest < 256 {
			tile.W = int(rest)
		}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(root, path))
		must(err)
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:end])
			data = data[end:]
		}
	}
	return all
}

func parse(text string) (int64, tlog.Hash) {
	lines := strings.Split(text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var root tlog.Hash
	copy(root[:], raw)
	return size, root
}

// checkProofs checks contrafact's own proof files, where the folder has any.
func checkProofs(root string, known note.Verifiers) int {
	files, err := filepath.Glob(filepath.Join(root, "*.tlog-proof"))
	must(err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(err)
		head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
		if !found {
			log.Fatal(file, ": no checkpoint")
		}
		signed, err := note.Open(checkpoint, known)
		must(err)
		size, treeHash := parse(signed.Text)
		lines := strings.Split(string(head), "\n")
		extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
		must(err)
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
		must(err)
		var path tlog.RecordProof
		for _, line := range lines[3:] {
			hash, err := tlog.ParseHash(line)
			must(err)
			path = append(path, hash)
		}
		must(tlog.CheckRecord(path, size, treeHash, index, tlog.RecordHash(extra)))
	}
	return len(files)
}

func check(root, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	data, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	must(err)
	signed, err := note.Open(data, note.VerifierList(verifier))
	must(err)
	size, treeHash := parse(signed.Text)
	tree := tlog.Tree{N: size, Hash: treeHash}
	reader := tlog.TileHashReader(tree, folder(root))
	found, err := tlog.TreeHash(size, reader)
	must(err)
	if found != treeHash {
		log.Fatal("the tiles have another root")
	}
	all := entries(root, size)
	for index, entry := range all {
		path, err := tlog.ProveRecord(size, int64(index), reader)
		must(err)
		must(tlog.CheckRecord(path, size, treeHash, int64(index), tlog.RecordHash(entry)))
	}
	for old := int64(1); old <= size; old++ {
		before, err := tlog.TreeHash(old, reader)
		must(err)
		path, err := tlog.ProveTree(size, old, reader)
		must(err)
		must(tlog.CheckTree(path, size, treeHash, old, before))
	}
	n := checkProofs(root, note.VerifierList(verifier))
	fmt.Printf("%s: %d entries, %d proof files: all true\n", verifier.Name(), len(all), n)
}

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "vectors":
		vectors()
	case len(os.Args) == 4 && os.Args[1] == "log":
		check(os.Args[2], os.Args[3])
	default:
		log.Fatal("usage: crosscheck vectors | log FOLDER VKEY")
	}
}
