"""Writing the HTML report of an attribution."""

from __future__ import annotations

import json
from pathlib import Path

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import ReportError
from contrafact.core.results import Attribution, Verification
from contrafact.reports import ReportInputs, Sound, render_html
from contrafact.workflows.models import find_model

__all__ = ["query_copy", "write_report"]

_RATE = 16_000


def query_copy(workspace: Workspace, attribution: Attribution) -> Path:
    """Return where the workspace keeps the song of an attribution."""
    suffix = Path(attribution.query.file).suffix
    return workspace.attributions_dir / attribution.attribution_id / f"query{suffix}"


def write_report(
    workspace: Workspace,
    attribution: Attribution,
    verification: Verification | None,
    path: Path,
) -> None:
    """Write the report of an attribution, with its verification if there is one.

    Raises:
        ReportError: If the report cannot be made.
        StorageError: If it cannot be written.
    """
    song = query_copy(workspace, attribution)
    if not song.exists():
        raise ReportError(f"{song} is gone; attribute the song again.")
    regenerated: dict[str, Sound] = {}
    for removal in verification.removals if verification else ():
        if removal.regenerated is not None:
            file = song.parent / removal.regenerated
            regenerated[removal.kind] = _sound(file)
    inputs = ReportInputs(
        attribution=attribution,
        verification=verification,
        query_sound=_sound(song),
        recording_sounds=_passages(workspace, attribution),
        window_sounds=_windows(workspace, attribution),
        regenerated=regenerated,
        training_curve=_curve(workspace, attribution.model_id),
    )
    write_bytes(path, render_html(inputs).encode())


def _sound(path: Path, start_s: float = 0.0, duration_s: float | None = None) -> Sound:
    audio = read_audio(path, sample_rate=_RATE, start_s=start_s, duration_s=duration_s)
    return Sound(samples=audio.samples, sample_rate=audio.sample_rate)


def _passages(workspace: Workspace, attribution: Attribution) -> dict[str, Sound]:
    found = {}
    with workspace.catalog() as catalog:
        for passage in attribution.passages:
            recording = catalog.recording(passage.recording_id)
            found[recording.id] = _sound(
                workspace.audio_path(recording),
                passage.recording_start_s,
                passage.recording_end_s - passage.recording_start_s,
            )
    return {str(name): sound for name, sound in found.items()}


def _windows(workspace: Workspace, attribution: Attribution) -> dict[str, Sound]:
    """Return what the columns of heat maps are of, by recording."""
    found = {}
    with workspace.catalog() as catalog:
        for passage in attribution.passages:
            shown = passage.heat_map
            if shown is None or not shown.values:
                continue
            recording = catalog.recording(passage.recording_id)
            found[str(recording.id)] = _sound(
                workspace.audio_path(recording),
                shown.recording_start_s,
                len(shown.values[0]) * shown.span_s,
            )
    return found


def _curve(workspace: Workspace, model: str) -> list[tuple[int, float]] | None:
    path = find_model(workspace, model).directory / "loss.json"
    if not path.exists():
        return None
    return [(int(step), float(loss)) for step, loss in json.loads(path.read_text())]
