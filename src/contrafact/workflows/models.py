"""The models of a workspace, and the one that comes with contrafact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.errors import (
    IndexMismatchError,
    ModelFormatError,
    UnknownModelError,
)
from contrafact.core.units import RecordingId
from contrafact.generators import Generator, load_generator
from contrafact.workflows.stores import all_stores

__all__ = [
    "MANIFEST",
    "SHIPPED",
    "ModelRecord",
    "all_models",
    "find_model",
    "list_models",
    "open_model",
    "recordings_of",
    "trained_on",
]

MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parents[1] / "generators" / "studio" / "weights" / "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A model and how it came to be.

    Attributes:
        id: Its name in the workspace.
        digest: SHA-256 over its configuration and weights.
        kind: The generator's kind.
        recipe: What it was trained by; "" if not trained here.
        corpus_digest: Of what it was trained on; "" if unknown.
        n_recordings: Recordings it was trained on.
        n_left_out: Recordings of the corpus that it was never shown.
        seed: Of its training.
        final_loss: Mean loss of the last steps; None if not trained here.
        stamp: What it is marked with for good; "" if it is licensed.
        manifest_root: Root of the manifest of its corpus; "" if it has none.
    """

    id: str
    digest: str
    kind: str
    recipe: str
    corpus_digest: str
    n_recordings: int
    n_left_out: int
    n_steps: int
    seed: int
    final_loss: float | None
    directory: Path
    stamp: str = ""
    manifest_root: str = ""


def all_models(workspace: Workspace) -> list[ModelRecord]:
    """Return the models of a workspace and of its unlicensed store, by name."""
    found = [m for store in all_stores(workspace) for m in list_models(store)]
    return sorted(found, key=lambda model: model.id)


def list_models(workspace: Workspace) -> list[ModelRecord]:
    """Return the models of one store, by name."""
    folders = sorted(p.parent for p in workspace.models_dir.glob(f"*/{MANIFEST}"))
    return [_read(folder) for folder in folders]


def find_model(workspace: Workspace, name: str) -> ModelRecord:
    """Return the model of this name, in the workspace or shipped.

    Raises:
        UnknownModelError: If there is none.
    """
    folder = workspace.models_dir / name
    if Path(name).name != name or not (folder / MANIFEST).exists():
        if name == SHIPPED.name and (SHIPPED / MANIFEST).exists():
            return _read(SHIPPED)
        names = [model.id for model in all_models(workspace)]
        raise UnknownModelError(
            f"No model {name!r} in {workspace.root}; there "
            f"{'is ' + ', '.join(names) if names else 'is none'}. "
            "Train one with `contrafact train`."
        )
    return _read(folder)


def open_model(record: ModelRecord) -> Generator:
    """Load a model.

    Raises:
        GeneratorError: If its files are incomplete, damaged, unsafe or not
            those that its manifest names.
    """
    generator = load_generator(record.directory)
    if generator.digest != record.digest:
        raise ModelFormatError(
            f"The weights in {record.directory} are not those that were trained "
            f"there: found {generator.digest[:12]}, wanted {record.digest[:12]}. "
            "Put the files back, or train the model again."
        )
    return generator


def trained_on(workspace: Workspace, record: ModelRecord) -> list[Recording]:
    """Return the recordings that a model was trained on, in training order.

    Raises:
        IndexMismatchError: If the catalog no longer holds them all.
    """
    with workspace.catalog() as catalog:
        known = {r.id: r for r in catalog.recordings()}
    wanted: list[str] = _manifest(record.directory)["recordings"]
    missing = [i for i in wanted if i not in known]
    if missing or not wanted:
        raise IndexMismatchError(
            f"Model {record.id} was trained on {record.n_recordings} recordings, of "
            f"which this catalog lacks {len(missing)}"
            f"{' (' + missing[0] + ', ...)' if missing else ''}; attribution needs "
            "the corpus it was trained on. Ingest it again, or choose another model."
        )
    return [known[RecordingId(i)] for i in wanted]


def recordings_of(record: ModelRecord) -> list[str]:
    """Return the ids of the recordings that a model was trained on, in order."""
    return [str(i) for i in _manifest(record.directory)["recordings"]]


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except ValueError as error:
        raise _damaged(folder, error) from error
    return found


def _damaged(folder: Path, reason: object) -> ModelFormatError:
    return ModelFormatError(
        f"{folder / MANIFEST} is damaged ({reason}); delete {folder} and train the "
        "model again."
    )


def _read(folder: Path) -> ModelRecord:
    facts = _manifest(folder)
    try:
        return _record(folder, facts)
    except (KeyError, TypeError) as error:
        raise _damaged(folder, f"it lacks {error}") from error


def _record(folder: Path, facts: dict[str, Any]) -> ModelRecord:
    return ModelRecord(
        id=folder.name,
        digest=facts["model"],
        kind=facts["kind"],
        recipe=facts["recipe"],
        corpus_digest=facts["corpus"],
        n_recordings=len(facts["recordings"]),
        n_left_out=len(facts["left_out"]),
        n_steps=facts["training"]["n_steps"],
        seed=facts["seed"],
        final_loss=facts["final_loss"],
        directory=folder,
        stamp=facts.get("stamp", ""),
        manifest_root=facts.get("manifest", ""),
    )
