from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import c2pa
import numpy as np
import pytest
import soundfile

from contrafact.audit.credentials import (
    EMBEDDED,
    SOURCE_TYPE,
    OutputClaim,
    read_embedded,
    sign_audio,
)
from contrafact.audit.marking_keys import MarkingKey, open_marking_key
from contrafact.audit.sidecar import read_sidecar, seal_sidecar, sidecar_path
from contrafact.core.errors import CredentialsError

KINDS = ("WAV", "FLAC", "MP3")
CLAIM = OutputClaim(
    output="O-1",
    samples_digest="ab" * 32,
    model="m",
    model_digest="cd" * 32,
    release="r-1",
    corpus_root="ef" * 32,
    attribution="A-1",
    attribution_digest="01" * 32,
)
Audio = Callable[[str], bytes]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> MarkingKey:
    """Return a marking key with its own chain."""
    return open_marking_key(tmp_path_factory.mktemp("keys"))[0]


@pytest.fixture(scope="module")
def audio() -> Audio:
    """Return a function that makes a second of noise in a format."""

    def make(kind: str) -> bytes:
        wave = np.random.default_rng(1).uniform(-0.3, 0.3, 16_000)
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, 16_000, format=kind)
        return buffer.getvalue()

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_read_back(kind: str, key: MarkingKey, audio: Audio) -> None:
    """The whole claim, made by a trained model, valid for those who trust."""
    signed = sign_audio(audio(kind), EMBEDDED[kind], CLAIM, key)
    found = read_embedded(signed, EMBEDDED[kind], key.certificates[1:])
    assert (found.state, found.place, found.n_manifests) == ("valid", "embedded", 1)
    assert found.claim == CLAIM.to_json()
    assert found.claim["not_recorded"] == []
    assert found.is_ai
    assert found.time is not None
    assert found.signer == f"contrafact key {key.signer.public_key.id}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_is_untouched(kind: str, key: MarkingKey, audio: Audio) -> None:
    """Every decoded sample is the one that was there before."""
    signed = sign_audio(audio(kind), EMBEDDED[kind], CLAIM, key)
    before, _ = soundfile.read(io.BytesIO(audio(kind)))
    after, _ = soundfile.read(io.BytesIO(signed))
    assert (before == after).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_trust_it_is_untrusted(
    kind: str, key: MarkingKey, audio: Audio, tmp_path: Path
) -> None:
    """Anybody can sign: a root of somebody else makes it no better."""
    signed = sign_audio(audio(kind), EMBEDDED[kind], CLAIM, key)
    other, _ = open_marking_key(tmp_path)
    for roots in ([], other.certificates[1:]):
        found = read_embedded(signed, EMBEDDED[kind], roots)
        assert found.state == "untrusted"
        assert "signingCredential.untrusted" in found.reason
        assert found.claim == CLAIM.to_json()


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_bit_is_tampering(kind: str, key: MarkingKey, audio: Audio) -> None:
    """In the sound, wherever it is, and for those who trust the signer too."""
    signed = sign_audio(audio(kind), EMBEDDED[kind], CLAIM, key)
    # The sound lies at the end, but in WAV, where it lies at the beginning.
    places = range(2_000, 30_000, 7_000) if kind == "WAV" else range(-900, -100, 200)
    for place in places:
        altered = bytearray(signed)
        altered[place] ^= 1
        found = read_embedded(bytes(altered), EMBEDDED[kind], key.certificates[1:])
        assert found.state == "tampered", place


def test_an_altered_claim_is_tampering(key: MarkingKey, audio: Audio) -> None:
    """Another name of a model, of the same length."""
    claim = OutputClaim(output="O-1", samples_digest="0", model="honest-model")
    signed = sign_audio(audio("WAV"), "audio/wav", claim, key)
    assert signed.count(b"honest-model") == 1
    forged = signed.replace(b"honest-model", b"forged-model")
    found = read_embedded(forged, "audio/wav", key.certificates[1:])
    assert found.state == "tampered"


def test_what_was_never_marked_has_none(audio: Audio) -> None:
    """No credentials is not tampering."""
    for kind in KINDS:
        assert read_embedded(audio(kind), EMBEDDED[kind], []).state == "none"


def test_what_is_not_known_is_named(key: MarkingKey, audio: Audio) -> None:
    """Gaps are declared, so that nobody takes silence for an answer."""
    claim = OutputClaim(output="O-1", samples_digest="0", model="m")
    signed = sign_audio(audio("FLAC"), "audio/flac", claim, key)
    found = read_embedded(signed, "audio/flac", [])
    assert found.claim is not None
    assert found.claim["not_recorded"] == [
        "attribution",
        "attribution_digest",
        "corpus_root",
        "model_digest",
        "release",
    ]
    assert "attribution" not in found.claim
    assert "stamp" not in found.claim


@pytest.mark.parametrize("kind", KINDS)
def test_marking_again_keeps_what_was_said(
    kind: str, key: MarkingKey, audio: Audio
) -> None:
    """The newest claim is read; the first stays inside as its parent."""
    first = OutputClaim(output="O-1", samples_digest="0")
    once = sign_audio(audio(kind), EMBEDDED[kind], first, key)
    twice = sign_audio(once, EMBEDDED[kind], CLAIM, key)
    found = read_embedded(twice, EMBEDDED[kind], key.certificates[1:])
    assert (found.state, found.n_manifests) == ("valid", 2)
    assert found.claim == CLAIM.to_json()
    assert found.is_ai


def test_a_tampered_file_is_not_signed_again(key: MarkingKey, audio: Audio) -> None:
    """A new signature over it would hide what happened."""
    altered = bytearray(sign_audio(audio("WAV"), "audio/wav", CLAIM, key))
    altered[5_000] ^= 1
    with pytest.raises(CredentialsError, match="altered since it was marked"):
        sign_audio(bytes(altered), "audio/wav", CLAIM, key)


def test_what_is_no_audio_cannot_be_marked(key: MarkingKey) -> None:
    """One line of what went wrong."""
    with pytest.raises(CredentialsError, match="damaged"):
        sign_audio(b"RIFF nothing", "audio/wav", CLAIM, key)


def test_the_library_alone_reads_what_we_wrote(key: MarkingKey, audio: Audio) -> None:
    """The manifest has the standard's own labels, without anything of ours."""
    signed = sign_audio(audio("FLAC"), "audio/flac", CLAIM, key)
    store = json.loads(c2pa.Reader("audio/flac", io.BytesIO(signed)).json())
    [manifest] = store["manifests"].values()
    [actions] = [a for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2"]
    [action] = actions["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == SOURCE_TYPE
    assert manifest["signature_info"]["alg"] == "Es256"


def test_a_sidecar_is_read_back(key: MarkingKey, audio: Audio) -> None:
    """For formats that take nothing inside; with and without trust."""
    data = audio("OGG")
    sealed = seal_sidecar("song.ogg", data, CLAIM, key)
    trusted = read_sidecar(sealed, data, key.certificates[1:])
    assert (trusted.state, trusted.place) == ("valid", "sidecar")
    assert trusted.claim == CLAIM.to_json()
    assert trusted.is_ai
    assert read_sidecar(sealed, data, []).state == "untrusted"
    assert sidecar_path(Path("a/song.ogg")).name == "song.ogg.credentials.json"


def test_a_sidecar_tells_tampering(key: MarkingKey, audio: Audio) -> None:
    """With the file, with the statement, and with the certificates."""
    data = audio("OGG")
    sealed = seal_sidecar("song.ogg", data, CLAIM, key)
    roots = key.certificates[1:]
    assert "file was altered" in read_sidecar(sealed, data + b"x", roots).reason
    envelope = json.loads(sealed)
    payload = envelope["payload"]
    swapped = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    for field, value in {
        "payload": swapped,
        "payloadType": "text/plain",
        "certificates": "",
        "signatures": [],
    }.items():
        forged = json.dumps({**envelope, field: value}).encode()
        assert read_sidecar(forged, data, roots).state == "tampered", field
    assert read_sidecar(b"[]", data, roots).state == "tampered"
