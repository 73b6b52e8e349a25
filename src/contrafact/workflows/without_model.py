"""Attribution without the model: evidence by layer, and whether it is generic.

Nothing here is influence. Each layer is kept apart; a list that every query
would get is refused; and what such evidence was worth on a model whose truth
is known stands beside it, with its error.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.catalog import Workspace, write_json
from contrafact.core.errors import AudioError, CatalogError, ConfigError, MatchingError
from contrafact.core.evidence import Collapse, Evidence, Layer
from contrafact.core.matches import WorkMatch
from contrafact.core.units import RecordingId
from contrafact.matching import style, versions
from contrafact.matching.collapse import diagnose
from contrafact.matching.evidence import coverage, split_reuse
from contrafact.matching.studio_map import (
    StudioMap,
    expected_shares,
    read_map,
    source_features,
)
from contrafact.workflows.encoders import open_encoders
from contrafact.workflows.evidence_documents import Names, document, read_names
from contrafact.workflows.listening import Heard, Listening, evidence_in, hear, listen
from contrafact.workflows.match_indexes import (
    RATE,
    MatchIndexes,
    matching_dir,
    open_indexes,
    resampled,
)
from contrafact.workflows.match_report import write_match_report
from contrafact.workflows.progress import Progress, silent

__all__ = [
    "KINDS",
    "ExpectedShare",
    "WithoutModel",
    "attribute_without_model",
    "features_of",
]

KINDS = ("artist", "work", "recording")
_N_PANEL = 16
_FEWEST_SOURCES = 2
_N_STYLE_PANEL = 64
_PANEL_S = 30.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedShare:
    """The share a source with such evidence had on the studio model."""

    source: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WithoutModel:
    """Evidence about a song, layer by layer.

    Attributes:
        evidence: What was recognised; a layer that was refused is empty.
        collapse: How alike the lists of each layer are across queries.
        by: The kind of source of `expected`.
        expected: By the map of the studio model, best first; empty if there is a
            reason to give none.
        no_answer: That reason; "" if there is none.
        studio: The map, with its error; None if the package comes without.
    """

    evidence: Evidence
    names: Names
    n_recordings: int
    collapse: tuple[Collapse, ...]
    by: str
    expected: tuple[ExpectedShare, ...]
    no_answer: str
    studio: StudioMap | None

    def to_json(self) -> Json:
        """Return it as JSON has it; layers apart, never added up."""
        plain = document(self.evidence, self.names)
        split = split_reuse(self.evidence) or ((), ())
        ids = [{m.recording_id for m in side} for side in split]
        whole, part = (
            [m for m in plain["recordings"] if m["recording_id"] in side]
            for side in ids
        )
        return {
            "file": plain["file"],
            "digest": plain["digest"],
            "problem": plain["problem"],
            "notices": plain["notices"],
            "not_measured": plain["not_measured"],
            "is_influence": False,
            "layers": {
                "same_recording": whole,
                "partial_reuse": part,
                "work": plain["works"],
                "style": plain["style"],
                "encoders": plain["encoders"],
            },
            "refused": {c.layer: c.reason for c in self.collapse if c.is_generic},
            "collapse": [asdict(c) for c in self.collapse],
            "studio_map": None
            if self.studio is None
            else {
                "by": self.by,
                "expected": [asdict(e) for e in self.expected],
                "no_answer": self.no_answer or None,
                **asdict(self.studio),
            },
        }


def attribute_without_model(
    workspace: Workspace,
    audio: Path,
    *,
    by: str = "artist",
    encoders: Mapping[str, Path] = {},
    report: Path | None = None,
    progress: Progress = silent,
    command: str = "",
) -> WithoutModel:
    """Say what of the catalog is in a song, when there is no model to ask.

    Args:
        workspace: Whose catalog is compared with.
        audio: The song.
        by: The kind of source of the expected shares, one of `KINDS`.
        encoders: Folders of the weights of learned encoders that are asked, too, by
            name.
        report: Where to write an HTML report, if anywhere.
        progress: Told how far the indexes are.
        command: What the user typed, for the report.

    Raises:
        ConfigError: If there is no such kind of source.
        AudioError: If the song cannot be listened to.
        MatchIndexError: If an index is damaged.
        ModelFormatError: If weights of an encoder are missing, damaged or of another
            network.
        StorageError: If the disk is full or not writable.
    """
    if by not in KINDS:
        raise ConfigError(
            f"No kind of source {by!r} without a model; there are {KINDS}."
        )
    indexes = replace(
        open_indexes(workspace, progress),
        encoders=open_encoders(workspace, encoders, progress),
    )
    progress("comparing", 0, 1)
    result = _compared(workspace, indexes, audio, by, progress)
    if report is not None:
        write_match_report(
            workspace,
            result.evidence,
            report,
            names=result.names,
            indexes=indexes,
            collapse=result.collapse,
            command=command,
        )
    progress("comparing", 1, 1)
    return result


def _compared(
    workspace: Workspace,
    indexes: MatchIndexes,
    audio: Path,
    by: str,
    progress: Progress,
) -> WithoutModel:
    names, how = read_names(workspace), Listening()
    found = listen(audio, indexes, how)
    if found.problem:
        reason = found.problem.rstrip(".")
        raise AudioError(f"{audio} cannot be attributed: {reason}.")
    heard = hear(audio, how)
    likeness = indexes.style.similarities(
        resampled(heard.samples, RATE, style.SAMPLE_RATE)
    )
    collapse = tuple(
        _diagnosed(workspace, indexes, found, likeness=likeness, progress=progress)
    )
    owners = _owners(names, indexes, by)
    features = features_of(found, _ranked(indexes, heard), likeness, owners)
    studio = read_map()
    kept = _without_refused(found, collapse)
    no_answer = _reason(kept, collapse, n_sources=len(features))
    return WithoutModel(
        evidence=kept,
        names=names,
        n_recordings=len(indexes.recording_ids),
        collapse=collapse,
        by=by,
        expected=()
        if studio is None or no_answer
        else _expected(features, names, by, studio),
        no_answer=no_answer,
        studio=studio,
    )


def features_of(
    evidence: Evidence,
    ranked: Sequence[WorkMatch],
    likeness: Mapping[str, float],
    owners: Mapping[str, str],
) -> dict[str, tuple[float, ...]]:
    """Return the features of each source, as the map of the studio model takes them."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for match in evidence.recordings or ():
        spans[match.recording_id].append((match.query_start_s, match.query_end_s))
    covered = {
        name: coverage(found, evidence.start_s, evidence.end_s)
        for name, found in spans.items()
    }
    return source_features(owners, covered=covered, works=ranked, style=likeness)


def _ranked(indexes: MatchIndexes, heard: Heard) -> tuple[WorkMatch, ...]:
    """Return every work that was scored, whether certain or not."""
    samples = resampled(heard.samples, RATE, versions.SAMPLE_RATE)
    n = max(1, len(indexes.recording_ids))
    try:
        return indexes.versions.identify(samples, max_p=1.0, n_best=n)
    except MatchingError:  # the network that hears notes is not installed
        return ()


def _owners(names: Names, indexes: MatchIndexes, by: str) -> dict[str, str]:
    works = indexes.style.works
    owners = {}
    for name in indexes.recording_ids:
        _, artist, _ = names.recordings.get(name, (name, None, ""))
        owners[name] = {
            "artist": artist or "artist not stated",
            "work": works[name],
            "recording": name,
        }[by]
    return owners


def _expected(
    features: Mapping[str, Sequence[float]], names: Names, by: str, studio: StudioMap
) -> tuple[ExpectedShare, ...]:
    shares = expected_shares(features, studio.weights)
    title = {"work": names.work_title, "recording": names.title}.get(by, str)
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return tuple(ExpectedShare(source=title(s), share=round(v, 4)) for s, v in ordered)


def _reason(evidence: Evidence, collapse: Sequence[Collapse], *, n_sources: int) -> str:
    """Return why no shares are expected; "" if there is no reason."""
    if _is_refused(collapse, "style"):
        return "what they rest on was refused"
    if n_sources < _FEWEST_SOURCES:
        return f"the catalog has {n_sources} such source, and shares are of several"
    if not (evidence.recordings or evidence.works or evidence.style):
        return "nothing of the catalog stands out in this audio"
    return ""


def _without_refused(evidence: Evidence, collapse: Sequence[Collapse]) -> Evidence:
    """Return the evidence without the lists that are refused."""
    if _is_refused(collapse, "style"):
        evidence = replace(evidence, style=())
    if _is_refused(collapse, "work"):
        evidence = replace(evidence, works=())
    return evidence


def _is_refused(collapse: Sequence[Collapse], layer: str) -> bool:
    return any(c.is_generic for c in collapse if c.layer == layer)


def _diagnosed(
    workspace: Workspace,
    indexes: MatchIndexes,
    found: Evidence,
    *,
    likeness: Mapping[str, float],
    progress: Progress,
) -> Iterator[Collapse]:
    """Yield the diagnostics of the layers that give a ranked list."""
    heard_ids = indexes.style.heard_ids
    yield diagnose(
        [likeness.get(name, -1.0) for name in heard_ids],
        indexes.style.panel(_N_STYLE_PANEL).tolist(),
        layer="style",
    )
    panel = _panel(workspace, indexes, progress)
    ids = indexes.recording_ids
    layers: tuple[Layer, ...] = ("same_recording", "work")
    for layer in layers:
        own = _certain(found)[layer]
        rows = [[row[layer].get(name, 0.0) for name in ids] for row in panel]
        yield diagnose([own.get(name, 0.0) for name in ids], rows, layer=layer)


def _certain(found: Evidence) -> dict[str, dict[str, float]]:
    """Return how certain each recording of a layer is; those that are named."""
    return {
        "same_recording": {
            m.recording_id: 1.0 - m.false_match_probability
            for m in found.recordings or ()
        },
        "work": {
            w.recording_id: float(-np.log10(max(w.joint, 1e-12)))
            for w in found.works or ()
        },
    }


def _panel(
    workspace: Workspace, indexes: MatchIndexes, progress: Progress
) -> list[dict[str, dict[str, float]]]:
    """Return what excerpts of catalog recordings get, without their own work.

    Kept beside the indexes for as long as these do not change.
    """
    path = matching_dir(workspace) / "panel.json"
    key = f"{indexes.digest} {_N_PANEL} {_PANEL_S}"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key:
            rows: list[dict[str, dict[str, float]]] = kept["rows"]
            return rows
    except (OSError, ValueError, KeyError, TypeError):
        pass  # made anew
    rows = list(_asked(workspace, indexes, progress))
    write_json(path, {"key": key, "rows": rows})
    return rows


def _asked(
    workspace: Workspace, indexes: MatchIndexes, progress: Progress
) -> Iterator[dict[str, dict[str, float]]]:
    works = indexes.style.works
    order = np.random.default_rng(0).permutation(len(indexes.style.heard_ids))
    chosen = [indexes.style.heard_ids[i] for i in order[:_N_PANEL]]
    how = Listening(most_s=_PANEL_S, is_excerpt=True)
    for number, name in enumerate(chosen):
        progress("asking for others", number, len(chosen))
        try:
            with workspace.catalog() as catalog:
                recording = catalog.recording(RecordingId(name))
            heard = hear(workspace.audio_path(recording), how)
        except CatalogError:
            continue  # a panel of fewer does too
        found = _certain(evidence_in(heard, indexes, how, file=name))
        yield {
            layer: {n: s for n, s in row.items() if works.get(n) != works[name]}
            for layer, row in found.items()
        }
    progress("asking for others", len(chosen), len(chosen))
