"""Building the gradient index of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.familiarity import (
    learned_parts,
    least_learned,
    panel_queries,
)
from contrafact.attribution.store import read_manifest
from contrafact.catalog import Workspace, write_json
from contrafact.core.errors import IndexMismatchError, NotFittedError
from contrafact.generators import Generator
from contrafact.generators.base import Untrainable
from contrafact.generators.latents import LatentSet
from contrafact.workflows.admission import require_admitted
from contrafact.workflows.clusters import find_clusters
from contrafact.workflows.latents import Encoding, corpus_latents
from contrafact.workflows.models import (
    ModelRecord,
    find_model,
    open_model,
    trained_on,
)
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.stores import STAMP, all_stores, home_of
from contrafact.workflows.train import exclusive

__all__ = [
    "N_PANEL",
    "IndexRecord",
    "build_index",
    "check_digest",
    "copies_in",
    "encoding_of",
    "find_indexes",
    "index_dir",
    "least_learned_of",
    "stamp_of",
    "training_set",
]

_KNOWN = "recordings.json"
"""The digest of each recording's latents and captions, as the index saw them."""

N_PANEL = 128
"""Recordings of its own that a model is asked how well it knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """An index and what it was built for.

    Attributes:
        stamp: What it is marked with; "" if all it was made from is licensed.
    """

    id: str
    model_id: str
    model_digest: str
    corpus_digest: str
    n_recordings: int
    n_windows: int
    bytes_total: int
    settings: Mapping[str, Any]
    digest: str
    directory: Path
    stamp: str = ""


def build_index(
    workspace: Workspace,
    *,
    model: str,
    unlicensed_research: bool = False,
    progress: Progress = silent,
) -> IndexRecord:
    """Build the gradient index of a model, or finish one that was begun.

    Args:
        workspace: Where model and catalog are.
        model: Name of the model.
        unlicensed_research: Build it whatever the consents say now; the index
            and every answer by it are marked for good.
        progress: Told after every part.

    Raises:
        ConsentMissingError: If the model holds what may not be trained on now.
        IndexMismatchError: If the catalog no longer holds what the model was
            trained on, or the index was finished and has changed since.
        WorkspaceLockedError: If another process builds this index.
    """
    torch.set_num_threads(1)
    workspace = home_of(workspace, model)
    record = find_model(workspace, model)
    stamp = record.stamp or (STAMP if unlicensed_research else "")
    if not stamp:
        recordings = trained_on(workspace, record)
        require_admitted(workspace, recordings, progress=progress)
    generator = open_model(record)
    data = training_set(workspace, record, generator, progress)
    task = AttributionTask(generator, data)
    directory = index_dir(workspace, record)
    with exclusive(directory):
        estimator = IndexEstimator(IndexSettings())
        estimator.fit(task, directory, progress=stage_progress(progress, "indexing"))
        found = read_manifest(directory, "record.json") or {}
        if found:
            # What was changed since would be passed off as what was built.
            check_digest(directory, estimator.digest())
        if "copies" not in found:
            found["copies"], _ = find_clusters(
                workspace, among=set(data.recording_ids), progress=progress
            )
        if "least_learned" not in found:
            found["least_learned"] = _measured(task, record.seed, progress)
        facts: dict[str, Any] = {
            "digest": estimator.digest(),
            "model_id": record.id,
            "n_recordings": len(data.recording_ids),
            "n_windows": len(data),
            "copies": found["copies"],
            "least_learned": found["least_learned"],
        }
        # Known later, so that it can be said which of them changed.
        write_json(directory / _KNOWN, data.digests())
        # A mark stays: building it again under a new consent does not wash it.
        if stamp := stamp or stamp_of(directory):
            facts["stamp"] = stamp
        write_json(directory / "record.json", facts)
    return _read(directory)


def index_dir(workspace: Workspace, record: ModelRecord) -> Path:
    """Return where the index of a model is kept."""
    return workspace.indexes_dir / f"{record.id}-{record.digest[:12]}"


def find_indexes(workspace: Workspace) -> list[IndexRecord]:
    """Return the finished indexes of a workspace."""
    stores = all_stores(workspace)
    found = [p for s in stores for p in sorted(s.indexes_dir.glob("*/record.json"))]
    return [_read(path.parent) for path in found]


def stamp_of(directory: Path) -> str:
    """Return what an index is marked with; "" if it is not, or not finished."""
    facts = read_manifest(directory, "record.json") or {}
    return str(facts.get("stamp", ""))


def copies_in(directory: Path) -> dict[str, str]:
    """Return the cluster of each recording that an index knows copies of, by sound."""
    facts = read_manifest(directory, "record.json") or {}
    return dict(facts.get("copies", {}))


def least_learned_of(directory: Path) -> float | None:
    """Return below which learned part of a song nobody is named; None if not known."""
    facts = read_manifest(directory, "record.json") or {}
    return facts.get("least_learned")


def _measured(task: AttributionTask, seed: int, progress: Progress) -> float | None:
    """Return how much the model learned of its own recordings at the least."""
    if not isinstance(task.generator, Untrainable):
        return None  # what it knew before training is not known
    panel = panel_queries(task, N_PANEL)
    parts = learned_parts(
        task, panel, seed=seed, progress=stage_progress(progress, "familiarity")
    )
    return least_learned(parts)


def encoding_of(generator: Generator) -> Encoding:
    """Return the codec of a generator, in a form for whole files."""
    codec = generator.config()["codec"] if hasattr(generator, "config") else {}

    def encode(audio: torch.Tensor) -> torch.Tensor:
        return generator.encode(audio.expand(-1, generator.n_channels, -1))

    return Encoding(
        encode,
        sample_rate=generator.sample_rate,
        samples_per_token=round(generator.sample_rate / generator.token_rate_hz),
        key=codec.get("digest", generator.digest),
    )


def training_set(
    workspace: Workspace, record: ModelRecord, generator: Generator, progress: Progress
) -> LatentSet:
    """Return what a model was trained on, as latents.

    Raises:
        IndexMismatchError: If the catalog no longer holds it, or holds it
            with other captions or audio; where an index was built, it says whose.
    """
    data = corpus_latents(
        workspace,
        trained_on(workspace, record),
        encoding_of(generator),
        max_tokens=generator.max_tokens,
        tell=stage_progress(progress, "encoding"),
    )
    if record.n_left_out == 0 and data.digest != record.corpus_digest:
        changed = _changed(workspace, record, data)
        raise IndexMismatchError(
            f"Model {record.id} was trained on another corpus "
            f"({record.corpus_digest[:12]}) than the catalog holds now "
            f"({data.digest[:12]}): captions or audio{changed} changed. "
            "Ingest them as they were, or train again: an answer is about what the "
            "model was shown, not about what it would be shown now."
        )
    return data


def _changed(workspace: Workspace, record: ModelRecord, data: LatentSet) -> str:
    """Return of which recordings the index knew something else; "" if not known."""
    directory = index_dir(workspace, record)
    known = read_manifest(directory, _KNOWN) or {}
    odd = [r for r, digest in data.digests().items() if known.get(r, digest) != digest]
    more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
    return f" of {odd[0]}{more}" if odd else ""


def check_digest(directory: Path, digest: str) -> None:
    """Raise unless an index holds what it held when it was built.

    Raises:
        NotFittedError: If it is not finished.
        IndexMismatchError: If its files changed since.
    """
    facts = read_manifest(directory, "record.json")
    if facts is None:
        raise NotFittedError(
            f"The index in {directory} is not finished; run `contrafact index build` "
            "to the end first."
        )
    if facts.get("digest") != digest:
        raise IndexMismatchError(
            f"The index in {directory} is not as it was built (found "
            f"{digest[:12]}, its record says {str(facts.get('digest'))[:12]}); "
            "delete it and run `contrafact index build` again."
        )


def _read(directory: Path) -> IndexRecord:
    manifest = read_manifest(directory) or {}
    facts = read_manifest(directory, "record.json") or {}
    try:
        return _record(directory, manifest, facts)
    except KeyError as error:
        raise NotFittedError(
            f"The index in {directory} is damaged: its description lacks {error}; "
            "remove the folder and run `contrafact index build` again."
        ) from error


def _record(
    directory: Path, manifest: Mapping[str, Any], facts: Mapping[str, Any]
) -> IndexRecord:
    return IndexRecord(
        id=directory.name,
        model_id=facts["model_id"],
        model_digest=manifest["model"],
        corpus_digest=manifest["corpus"],
        n_recordings=facts["n_recordings"],
        n_windows=facts["n_windows"],
        bytes_total=sum(p.stat().st_size for p in directory.iterdir() if p.is_file()),
        settings=manifest["settings"],
        digest=facts["digest"],
        directory=directory,
        stamp=facts.get("stamp", ""),
    )
