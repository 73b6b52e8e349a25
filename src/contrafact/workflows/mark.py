"""Marking generated files: content credentials, and an entry in the register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import soundfile

from contrafact.audit.credentials import (
    EMBEDDED,
    Credentials,
    OutputClaim,
    read_embedded,
    sign_audio,
)
from contrafact.audit.entries import format_time
from contrafact.audit.fingerprint import search
from contrafact.audit.marking_keys import (
    MarkingKey,
    load_marking_key,
    open_marking_key,
    trusted_roots,
)
from contrafact.audit.sidecar import read_sidecar, seal_sidecar, sidecar_path
from contrafact.catalog import (
    Workspace,
    check_suffix,
    container_of,
    encode_audio,
    read_audio,
    read_tags,
    write_bytes,
)
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import ConfigError
from contrafact.core.units import digest_of
from contrafact.workflows.outputs import (
    OutputFile,
    OutputRecord,
    OutputRegister,
    Sound,
    known_outputs,
    sound_in,
    sound_of,
)
from contrafact.workflows.receipts import Receipt, find_receipt, release_facts
from contrafact.workflows.stores import STAMP, home_of, is_unlicensed
from contrafact.workflows.watermarks import WatermarkChoice, watermarked

__all__ = [
    "Marked",
    "Marking",
    "mark",
    "prepare_marking",
    "read_marks",
    "write_marked",
]

Made = Mapping[str, str | None]
_MADE = ("prompt", "seed", "model", "model_digest")
"""What made a song: the names of fields, and of tags after `contrafact_`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A file that was written and entered in the register.

    Attributes:
        path: Where it is.
        digest: SHA-256 of its bytes.
        output: Its id in the register.
        sidecar: Where its credentials are, if not inside.
        key: Id of the key that signed them; None if it was not marked.
        is_new_key: Whether that key was made just now.
        claim: What the credentials say.
        watermark: Scheme and payload of the mark inside the sound, if any.
    """

    path: Path
    digest: str
    output: str
    sidecar: Path | None
    key: str | None
    is_new_key: bool
    claim: OutputClaim
    watermark: str | None = None

    @property
    def is_marked(self) -> bool:
        """Whether it has content credentials."""
        return self.key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """How songs are to be marked: with a key, or not and why not.

    Attributes:
        is_new_key: Whether the key was made just now.
        unmarked_because: Why there is no key.
        watermark: Scheme and payload of the mark inside the sound, if any.
    """

    key: MarkingKey | None
    is_new_key: bool = False
    unmarked_because: str | None = None
    watermark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A song that is about to be written."""

    record: OutputRecord
    sound: Sound
    claim: OutputClaim


def mark(
    workspace: Workspace,
    path: Path,
    *,
    out: Path | None = None,
    attribution: str | None = None,
    release: str | None = None,
    own_key: tuple[Path, Path] | None = None,
    watermark: WatermarkChoice | None = None,
) -> Marked:
    """Put content credentials into a generated file, and enter it in the register.

    What made the file is known from its tags, the register and the attribution;
    what none of them tells is declared as not recorded.

    Args:
        workspace: Where attribution, release and register are.
        path: The file. WAV, FLAC, MP3 and M4A take credentials inside; others
            get `NAME.credentials.json` beside them.
        out: Where to write the marked file; in place if None.
        attribution: Id of the attribution that explains it.
        release: Id of the model release that made it; that of its model if
            None and there is one.
        own_key: Private key and certificates; those in the folder of keys if
            None, made at the first use.
        watermark: Put this mark inside the sound, too. What is written is then
            WAV or FLAC, and credentials that were inside are not kept.

    Raises:
        AudioError: If the file cannot be read or is silent, or cannot be given
            a watermark.
        AttributionError: If there is no such attribution.
        ConfigError: If it, the release and the tags are about different songs.
        CredentialsError: If the file was altered since it was last marked.
        SigningKeyError: If the key cannot be used.
        StorageError: If a file cannot be written.
        WatermarkError: If the watermark is not at hand, or cannot be read back.
    """
    kind, sound, said = container_of(path), sound_in(path), None
    data, receipt, out = path.read_bytes(), None, out or path
    made = _tagged(path)
    for found in known_outputs(workspace, data, sound)[:1]:
        made = _agreed(made, {n: getattr(found.record, n) for n in _MADE}, path)
    if attribution is not None:
        receipt = find_receipt(workspace, attribution)
        _require_explained(receipt, sound, path)
        made = _agreed(made, receipt.made, path)
    if watermark is not None:
        data, said = _with_watermark(path, out, watermark, digest=sound.samples_digest)
        kind, sound = check_suffix(out), _sound_of_bytes(data)
    store = home_of(workspace, made["model"] or "")
    draft = _draft(store, sound, made, release=release, receipt=receipt)
    key, is_new = _key(own_key)
    sidecar = None
    if mime := EMBEDDED.get(kind):
        data = sign_audio(data, mime, draft.claim, key)
    else:
        sidecar = sidecar_path(out)
        sealed = seal_sidecar(out.name, data, draft.claim, key)
    marking = Marking(key=key, is_new_key=is_new, watermark=said)
    marked = _entered(store, draft, data=data, out=out, marking=marking)
    if sidecar is not None:
        write_bytes(sidecar, sealed)
    if mime or out != path or said:
        write_bytes(out, data)
    return replace(marked, sidecar=sidecar)


def prepare_marking(unmarked_because: str | None = None) -> Marking:
    """Return how the next songs are marked; fails before they are made.

    Args:
        unmarked_because: Why they get no credentials, if they shall get none.

    Raises:
        ConfigError: If the reason is empty.
        SigningKeyError: If the key cannot be used.
        StorageError: If a first key cannot be written.
    """
    if unmarked_because is None:
        key, is_new = _key(None)
        return Marking(key=key, is_new_key=is_new)
    if not unmarked_because.strip():
        raise ConfigError("Say why the song shall not be marked: --no-mark REASON.")
    return Marking(key=None, unmarked_because=unmarked_because)


def write_marked(
    workspace: Workspace, data: bytes, out: Path, *, made: Made, marking: Marking
) -> Marked:
    """Write a song that was just made, marked and entered in the register.

    Args:
        workspace: The store of the model, where the register is.
        data: A WAV or FLAC file.
        out: Where to write it.
        made: What made it: `prompt`, `seed`, `model`, `model_digest`.
        marking: How to mark it.

    Raises:
        SigningKeyError: If the key cannot be used.
        StorageError: If a file cannot be written.
    """
    draft = _draft(workspace, _sound_of_bytes(data), made)
    if marking.key is not None:
        mime = EMBEDDED["FLAC" if data.startswith(b"fLaC") else "WAV"]
        data = sign_audio(data, mime, draft.claim, marking.key)
    marked = _entered(workspace, draft, data=data, out=out, marking=marking)
    write_bytes(out, data)
    return marked


def _with_watermark(
    path: Path, out: Path, choice: WatermarkChoice, *, digest: str
) -> tuple[bytes, str]:
    """Return a file anew, tags and all, with a mark inside its sound."""
    check_suffix(out)
    audio = read_audio(path, mono=False)
    marked, said = watermarked(audio.samples, audio.sample_rate, choice, digest=digest)
    return encode_audio(out, marked, audio.sample_rate, tags=read_tags(path)), said


def _sound_of_bytes(data: bytes) -> Sound:
    samples, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    return sound_of(samples.T, rate)


def _tagged(path: Path) -> dict[str, str | None]:
    tags = read_tags(path)
    return {name: tags.get(f"contrafact_{name}") or None for name in _MADE}


def _agreed(one: Made, other: Made, path: Path) -> dict[str, str | None]:
    """Return what two sources say together, the first one's words first.

    Raises:
        ConfigError: If they name different models.
    """
    a, b = one.get("model_digest"), other.get("model_digest")
    if a and b and a != b:
        raise ConfigError(
            f"{path} was made by the model {a[:12]}; what was named is about the model "
            f"{b[:12]}. Name the attribution of this song."
        )
    return {name: one.get(name) or other.get(name) for name in _MADE}


def _require_explained(receipt: Receipt, sound: Sound, path: Path) -> None:
    """Raise a `ConfigError` unless the attribution is about this very sound."""
    explained = sound_in(receipt.song)
    is_same = explained.samples_digest == sound.samples_digest
    if not is_same and not search(sound.fingerprint, [explained.fingerprint]):
        raise ConfigError(
            f"Attribution {receipt.id} explains another song than {path}. Attribute "
            "this one, and name that attribution."
        )


def _draft(
    workspace: Workspace,
    sound: Sound,
    made: Made,
    *,
    release: str | None = None,
    receipt: Receipt | None = None,
) -> _Draft:
    facts = release_facts(
        workspace, made.get("model_digest"), model=made.get("model"), release=release
    )
    record = OutputRecord(
        id=f"O-{sound.samples_digest[:16]}",
        samples_digest=sound.samples_digest,
        duration_s=round(sound.duration_s, 3),
        prompt=made.get("prompt"),
        seed=made.get("seed"),
        model=made.get("model"),
        model_digest=made.get("model_digest"),
        release=facts.id,
        corpus_root=facts.corpus_root,
        stamp=STAMP if is_unlicensed(workspace) else None,
    )
    claim = OutputClaim(
        output=record.id,
        samples_digest=record.samples_digest,
        model=record.model,
        model_digest=record.model_digest,
        release=record.release,
        corpus_root=record.corpus_root,
        attribution=None if receipt is None else receipt.id,
        attribution_digest=None if receipt is None else receipt.digest,
        stamp=record.stamp,
    )
    return _Draft(record=record, sound=sound, claim=claim)


def _folder() -> Path:
    """Return the folder of the user's marking keys."""
    return keys_dir_from_environment() / "marking"


def _key(own: tuple[Path, Path] | None) -> tuple[MarkingKey, bool]:
    if own is not None:
        return load_marking_key(*own), False
    return open_marking_key(_folder())


def _entered(
    workspace: Workspace,
    draft: _Draft,
    *,
    data: bytes,
    out: Path,
    marking: Marking,
) -> Marked:
    """Enter a file in the register before it is written: what exists is found."""
    key = marking.key
    file = OutputFile(
        digest=digest_of(data),
        name=out.name,
        time=format_time(datetime.now(UTC)),
        is_marked=key is not None,
        unmarked_because=marking.unmarked_because,
        key=None if key is None else key.signer.public_key.id,
        attribution=draft.claim.attribution,
        attribution_digest=draft.claim.attribution_digest,
        watermark=marking.watermark,
    )
    OutputRegister.of(workspace).add(draft.record, file, draft.sound.fingerprint)
    return Marked(
        path=out,
        digest=file.digest,
        output=draft.record.id,
        sidecar=None,
        key=file.key,
        is_new_key=marking.is_new_key,
        claim=draft.claim,
        watermark=marking.watermark,
    )


def read_marks(path: Path, *, trust: Sequence[Path] = ()) -> Credentials:
    """Return what a file declares about itself, and whether that can be believed.

    Args:
        path: The file; credentials beside it are read if it has none inside.
        trust: Certificates of those who are believed beside the user, as PEM.

    Raises:
        AudioError: If it is not audio, or cannot be read.
        SigningKeyError: If a file of certificates cannot be read.
    """
    kind, roots = container_of(path), trusted_roots(_folder(), trust)
    data = path.read_bytes()
    found = Credentials(state="none", reason="It has no content credentials.")
    if mime := EMBEDDED.get(kind):
        found = read_embedded(data, mime, roots)
    beside = sidecar_path(path)
    if found.state == "none" and beside.is_file():
        return read_sidecar(beside.read_bytes(), data, roots)
    return found
