"""Is my work in it? For a rights holder, over all releases, each with its proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.audit.manifest import Manifest
from contrafact.audit.proofs import disprove, prove
from contrafact.catalog import Workspace, write_json
from contrafact.core.entities import Recording, Work
from contrafact.core.errors import ProofError, UnknownEntityError
from contrafact.workflows.consent import open_registry, read_catalog
from contrafact.workflows.manifest import find_manifest
from contrafact.workflows.releases import ReleaseRecord, list_releases
from contrafact.workflows.stores import home_of

__all__ = ["Answer", "find_in_releases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether one release holds one work or recording.

    Attributes:
        subject: Id of the work or recording.
        status: Of the release.
        proof: Inclusion or non-inclusion under the corpus root that is signed
            with the release; see `contrafact.audit.proofs.check_proof`.
        inherited: For what is not in its own corpus: the releases it was made
            from that hold it.
    """

    subject: str
    title: str
    release: str
    model: str
    is_in: bool
    status: str
    proof: Mapping[str, Any]
    inherited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is looked for: a work, or one recording by its file."""

    id: str
    title: str
    where: Mapping[str, str]


def find_in_releases(
    workspace: Workspace, subject: str, *, out: Path | None = None
) -> list[Answer]:
    """Answer for a rights holder, a work or a recording, over all releases.

    Args:
        workspace: Where the releases are.
        subject: Name or number of a rights holder; or id, ISWC or title of a
            work; or id or ISRC of a recording. A work or file that the catalog
            does not know is asked for by its id or its SHA-256.
        out: Where to write each proof.

    Raises:
        ManifestError: If the manifest of a release is missing or damaged.
        UnknownEntityError: If nobody and nothing is known by that name.
    """
    asked = _asked(workspace, subject)
    answers = []
    for release in list_releases(workspace):
        store = home_of(workspace, release.model)
        manifest = find_manifest(store, release.corpus["root"])
        answers += [_answer(one, release, manifest) for one in asked]
    answers = _with_parents(workspace, answers)
    for answer in answers if out is not None else ():
        kind = "in" if answer.is_in else "not-in"
        name = f"{answer.subject}-{kind}-{answer.release}.json"
        write_json(Path(out or ".") / name, answer.proof)
    return answers


def _answer(asked: _Asked, release: ReleaseRecord, manifest: Manifest) -> Answer:
    try:
        proof, is_in = prove(manifest, **asked.where), True
    except ProofError:
        proof, is_in = disprove(manifest, **asked.where), False
    return Answer(
        subject=asked.id,
        title=asked.title,
        release=release.id,
        model=release.model,
        is_in=is_in,
        status=release.status,
        proof=proof,
    )


def _with_parents(workspace: Workspace, answers: Sequence[Answer]) -> list[Answer]:
    """Say of what is not in a release's own corpus where it was inherited from."""
    from dataclasses import replace

    parents = {r.id: r.parent for r in list_releases(workspace)}
    held = {(a.subject, a.release) for a in answers if a.is_in}

    def above(id_: str) -> list[str]:
        found: list[str] = []
        while (id_ := parents.get(id_) or "") and id_ not in found:
            found.append(id_)
        return found

    return [
        replace(
            a, inherited=tuple(p for p in above(a.release) if (a.subject, p) in held)
        )
        for a in answers
    ]


def _asked(workspace: Workspace, subject: str) -> list[_Asked]:
    recordings, works = read_catalog(workspace)
    found = _named(subject, recordings, works)
    if not found:
        with open_registry(workspace) as registry:
            keys = {held.key for held in registry.held_by(subject)}
            keys |= {held.subject_id for held in registry.held_by(subject)}
        found = [one for key in sorted(keys) for one in _named(key, recordings, works)]
        found += [one for one in _credited(workspace, subject, recordings)]
    if not found and subject.startswith("W-"):
        found = [
            _Asked(id=subject, title="not in the catalog", where={"work": subject})
        ]
    if not found and len(subject) == 64:
        where = {"digest": subject}
        found = [_Asked(id=subject, title="a file", where=where)]
    if not found:
        raise UnknownEntityError(
            f"Neither a rights holder nor a work or recording is known as {subject!r}. "
            "Give a name on record, or the id of a work; see `contrafact consent show`."
        )
    return list({one.id: one for one in found}.values())


def _named(
    name: str, recordings: Sequence[Recording], works: Sequence[Work]
) -> list[_Asked]:
    plain = name.replace("-", "").replace(".", "").upper()
    found = [
        _Asked(id=w.id, title=w.title, where={"work": w.id})
        for w in works
        if name == w.id or plain == w.iswc or name.casefold() == w.title.casefold()
    ]
    return found or [
        _Asked(id=r.id, title=r.title, where={"digest": r.digest})
        for r in recordings
        if name in (r.id, r.digest) or plain == r.isrc
    ]


def _credited(
    workspace: Workspace, name: str, recordings: Sequence[Recording]
) -> list[_Asked]:
    """Return the recordings that the catalog credits to a party of this name."""
    with workspace.catalog() as catalog:
        ids = {
            p.id
            for p in catalog.parties()
            if name == p.id or name.casefold() == p.name.casefold()
        }
    return [
        _Asked(id=r.id, title=r.title, where={"digest": r.digest})
        for r in recordings
        if ids & {*r.artists, r.label}
    ]
