"""Writing the HTML report of who made a recording."""

from __future__ import annotations

from pathlib import Path

from contrafact.catalog import Workspace
from contrafact.catalog.atomic import write_bytes
from contrafact.core.matches import OriginFinding
from contrafact.matching.origin import OriginRegistry
from contrafact.reports.origin_page import OriginInputs, Spectrum, render_origin
from contrafact.workflows.origin import open_registry

__all__ = ["write_origin_report"]


def write_origin_report(
    workspace: Workspace,
    finding: OriginFinding,
    path: Path,
    *,
    audio: Path,
    command: str = "",
) -> None:
    """Write the report of a finding.

    Args:
        workspace: Whose registry.
        finding: Of `identify_origin`.
        path: Where to write.
        audio: The recording; it is listened to again.
        command: What to type to get the result again.

    Raises:
        AudioError: If the recording cannot be read.
        MatchIndexError: If the registry is damaged.
        StorageError: If the report cannot be written.
    """
    inputs = OriginInputs(
        name=audio.name,
        command=command,
        finding=finding,
        spectrum=_spectrum(open_registry(workspace), audio),
    )
    write_bytes(path, render_origin(inputs).encode())


def _spectrum(registry: OriginRegistry, audio: Path) -> Spectrum | None:
    figure = registry.figure(audio)
    if figure is None:
        return None
    return Spectrum(
        nearest=figure.nearest,
        scale=figure.scale,
        hz=figure.hz.tolist(),
        residual=figure.residual.tolist(),
        lines=figure.lines.tolist(),
        fits=figure.fits,
    )
