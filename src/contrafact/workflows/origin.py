"""Which generator made it: enrolling, and asking with all evidence there is.

The registry of generators is the folder `origin` of the workspace. What a file
declares (content credentials), watermarks, and the register of outputs are looked
up here, since the package that listens knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace, read_info
from contrafact.core.errors import CredentialsError, EnrolmentError, SigningKeyError
from contrafact.core.matches import OriginEvidence, OriginFinding
from contrafact.core.units import digest_of
from contrafact.matching.origin import MIN_S, Enrolled, OriginRegistry, Rules
from contrafact.workflows.mark import read_marks
from contrafact.workflows.outputs import OutputRegister, find_outputs
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.stores import all_stores
from contrafact.workflows.watermarks import read_marks as read_watermarks
from contrafact.workflows.watermarks import read_own_mark, watermark_key

__all__ = [
    "described",
    "enroll_files",
    "forget",
    "fresh_registry",
    "identify_origin",
    "open_registry",
    "origin_of",
    "origin_state",
]

_STATES = {"valid": "signed by somebody trusted", "untrusted": "signed by anybody"}
_LONGEST_OUTPUT_S = 1_200.0  # of files that are looked for in the register


def open_registry(workspace: Workspace) -> OriginRegistry:
    """Return the registry of generators of a workspace.

    The same one again while its files do not change, so that its calibration is
    worked out once a process.

    Raises:
        MatchIndexError: If a file of it is damaged.
    """
    folder = workspace.root / "origin"
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return _kept(folder, tuple((p.name, p.stat().st_mtime_ns) for p in files))


def fresh_registry(workspace: Workspace) -> OriginRegistry:
    """Return the registry read anew, to be changed.

    Raises:
        MatchIndexError: If a file of it is damaged.
    """
    return OriginRegistry.open(workspace.root / "origin")


@lru_cache(maxsize=2)
def _kept(folder: Path, state: tuple[tuple[str, int], ...]) -> OriginRegistry:
    """Return the registry as its files are now; calibrating it takes seconds."""
    return OriginRegistry.open(folder)


def enroll_files(
    workspace: Workspace,
    name: str,
    paths: Sequence[Path],
    *,
    is_human: bool = False,
    source: str = "",
    progress: Progress = silent,
) -> Enrolled:
    """Enrol a generator, or people, from files; or add files to a class.

    Files are taken in order of their paths. Nothing is enrolled if one of them
    cannot be read.

    Args:
        workspace: Whose registry.
        name: What the class will be called.
        paths: Audio files, or folders that are searched for them.
        is_human: Whether people made them.
        source: Where they are from, in words.
        progress: Told how many files were listened to.

    Raises:
        EnrolmentError: If the name or the files are of no use.
        StorageError: If the registry cannot be written.
        WorkspaceLockedError: If another process holds the workspace.
    """
    files = list(_files(paths))
    with workspace.lock():
        return fresh_registry(workspace).enroll(
            name,
            files,
            is_human=is_human,
            source=source,
            progress=stage_progress(progress, "listen"),
        )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        sounding = [p for p in inside if p.suffix.lower() in _SUFFIXES]
        if not sounding:
            raise EnrolmentError(f"There is no audio file in {path}. Name another.")
        yield from sounding


_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff"}


def forget(workspace: Workspace, name: str) -> None:
    """Remove a class from the registry.

    Raises:
        EnrolmentError: If there is none of this name.
        StorageError: If its files cannot be removed.
    """
    with workspace.lock():
        fresh_registry(workspace).remove(name)


def described(enrolled: Enrolled) -> dict[str, Any]:
    """Return what is known of a class, without its residuals, as JSON has it."""
    rates = sorted({s.native_rate for s in enrolled.sources})
    return {
        "name": enrolled.name,
        "kind": "people" if enrolled.is_human else "generator",
        "digest": enrolled.digest,
        "source": enrolled.source or None,
        "model": enrolled.model or None,
        "date": enrolled.date,
        "n_recordings": len(enrolled.sources),
        "duration_s": round(enrolled.duration_s, 3),
        "native_rates_hz": rates,
        "band_limit_hz": max(s.band_limit_hz for s in enrolled.sources),
        "comb_spacing_hz": _usual_spacing(enrolled),
    }


def _usual_spacing(enrolled: Enrolled) -> float:
    """Return the spacing of the comb that stands out most in any recording."""
    pairs = zip(enrolled.comb_scores, enrolled.comb_spacings, strict=True)
    return round(max(pairs)[1], 3)


def identify_origin(
    workspace: Workspace,
    path: Path,
    *,
    ask_models: bool = False,
    weights: Path | None = None,
    is_wary: bool = False,
) -> OriginFinding:
    """Return who made a recording, by all evidence there is.

    Args:
        workspace: Whose registry, register and models.
        path: Any audio file.
        ask_models: Whether to ask the models that are held, which takes seconds.
        weights: Folder with a folder of weights for each watermark of others.
        is_wary: Whether somebody may have printed a generator's lines on it; see
            `Rules`.

    Raises:
        AudioError: If the file cannot be read, is silent, or under 4 s.
        MatchIndexError: If the registry is damaged.
        SigningKeyError: If the key of our own watermark cannot be used.
        WorkspaceError: If the register of outputs is damaged.
    """
    maker = partial(_marked_by, workspace)
    marks = read_watermarks(path, weights=weights, maker=maker)
    others = [*_registered(workspace, path), *_credentials(path), *marks]
    if ask_models:
        from contrafact.workflows.origin_models import model_evidence

        others += model_evidence(workspace, path)
    rules = Rules(is_wary=is_wary)
    return open_registry(workspace).identify(path, others=others, rules=rules)


def origin_of(workspace: Workspace, path: Path) -> OriginFinding | None:
    """Return who made a recording; None if there is nothing to say it by.

    For records that join all matching: put `finding.to_json()` under "origin",
    and null where this returns None: where nothing is enrolled and neither the
    file nor the register of outputs names a maker, and where the file is too
    short to be judged. Of watermarks only our own is read; a key of it that
    cannot be used counts as none, and is told where marks are asked for.

    Raises:
        AudioError: If the file cannot be read or is silent.
        MatchIndexError: If the registry is damaged.
        WorkspaceError: If the register of outputs is damaged.
    """
    if read_info(path).duration_s < MIN_S:
        return None
    try:
        marks = read_own_mark(path, maker=partial(_marked_by, workspace))
    except SigningKeyError:
        marks = []
    others = [*_registered(workspace, path), *_credentials(path), *marks]
    finding = open_registry(workspace).identify(path, others=others)
    return finding if finding.evidence else None


def origin_state(workspace: Workspace) -> str:
    """Return a digest of what findings depend on beside the file itself."""
    known = [enrolled.digest for enrolled in open_registry(workspace).classes()]
    try:
        key = watermark_key(make=False) or b""
    except SigningKeyError:
        key = b""
    return digest_of("\n".join([*known, digest_of(key)]).encode())


def _marked_by(workspace: Workspace, mark: str) -> str | None:
    """Return the model whose outputs carry a mark, if one alone can be meant."""
    models = {
        record.model
        for store in all_stores(workspace)
        for record in OutputRegister.of(store).records()
        if any(file.watermark == mark for file in record.files)
    }
    return models.pop() if len(models) == 1 else None


def _registered(workspace: Workspace, path: Path) -> Iterator[OriginEvidence]:
    """Yield what the register of outputs says; nothing of what is far longer.

    To be looked up, all of a file is held in memory.
    """
    if read_info(path).duration_s > _LONGEST_OUTPUT_S:
        return
    for found in find_outputs(workspace, path)[:1]:
        model = found.record.model or "a model"
        yield OriginEvidence(
            kind="register",
            score=1.0 - found.errors,
            p_value=None,
            detail=f"output {found.record.id} of {model}, found by {found.how}",
            generator=found.record.model,
        )


def _credentials(path: Path) -> Iterator[OriginEvidence]:
    try:
        marks = read_marks(path)
    except CredentialsError:
        return
    if marks.state in _STATES and marks.is_ai:
        model = (marks.claim or {}).get("model")
        yield OriginEvidence(
            kind="credentials",
            score=1.0 if marks.state == "valid" else 0.5,
            p_value=None,
            detail=f"made by {model or 'a trained model'}, {_STATES[marks.state]}",
            generator=model,
        )
