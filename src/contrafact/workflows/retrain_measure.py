"""What retraining did: losses on what was withdrawn, kept, and never trained on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from contrafact.attribution.draws import Draws, losses_at
from contrafact.catalog import Workspace, examine
from contrafact.core.entities import Recording
from contrafact.core.errors import CatalogError
from contrafact.core.results import Interval
from contrafact.generators import Generator
from contrafact.generators.latents import LatentSet, LatentWindow, cut_windows
from contrafact.workflows.index import encoding_of
from contrafact.workflows.latents import corpus_latents, encode_file
from contrafact.workflows.membership import membership
from contrafact.workflows.progress import Progress, stage_progress
from contrafact.workflows.stores import has_file

__all__ = [
    "Groups",
    "compare",
    "group_latents",
    "losses_of",
    "never_trained_of",
    "read_never_trained",
]

_N_DRAWS, _N_STRATA = 64, 16
_MOST = 64
"""Kept recordings that are measured, drawn at random; the withdrawn all are."""

Losses = dict[str, list[float]]
"""By group: the loss of each recording."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Groups:
    """Latents of the three groups.

    Attributes:
        withdrawn: What the first model was trained on, and the second was not.
        kept: Of what both were trained on.
        never: What neither was trained on; None if there is nothing such.
    """

    withdrawn: LatentSet
    kept: LatentSet
    never: LatentSet | None

    def items(self) -> list[tuple[str, LatentSet]]:
        """Return the groups that there are, by name."""
        found = [("withdrawn", self.withdrawn), ("kept", self.kept)]
        return found + ([("never_trained", self.never)] if self.never else [])


def group_latents(
    store: Workspace,
    generator: Generator,
    *,
    withdrawn: Sequence[Recording],
    kept: Sequence[Recording],
    never: LatentSet | None,
    progress: Progress,
) -> Groups:
    """Return the groups of recordings as a model sees them."""
    chosen = random.Random(0).sample(list(kept), min(_MOST, len(kept)))
    return Groups(
        withdrawn=_encoded(store, generator, withdrawn, progress),
        kept=_encoded(store, generator, chosen, progress),
        never=never,
    )


def _encoded(
    store: Workspace,
    generator: Generator,
    recordings: Sequence[Recording],
    progress: Progress,
) -> LatentSet:
    return corpus_latents(
        store,
        recordings,
        encoding_of(generator),
        max_tokens=generator.max_tokens,
        tell=stage_progress(progress, "encoding"),
    )


def never_trained_of(
    store: Workspace, generator: Generator, *, trained: set[str], progress: Progress
) -> LatentSet | None:
    """Return what a store's catalog holds beside what was trained on, or None.

    Args:
        store: Where the catalog is; what was set apart from it is no part.
        generator: The model.
        trained: Ids of recordings that were trained on.
        progress: Told about every recording.
    """
    with store.catalog() as catalog:
        others = [r for r in catalog.recordings() if r.id not in trained]
    others = [r for r in others if has_file(store, r)]
    if not others:
        return None
    return _encoded(store, generator, others[:_MOST], progress)


def read_never_trained(
    folder: Path, generator: Generator, *, listed: set[str]
) -> LatentSet:
    """Return the recordings of a folder as a model sees them; nothing is kept.

    Args:
        folder: Audio, with a `metadata.csv` beside it if captions matter.
        generator: The model.
        listed: SHA-256 of files that were trained on, which must not be there.

    Raises:
        CatalogError: If there is no audio, or some of it was trained on.
    """
    table = folder / "metadata.csv"
    metadata = table if table.is_file() else None
    entries, _ = examine([folder], metadata=metadata)
    recordings = [entry.recording for entry in entries]
    seen = [r.file for r in recordings if r.digest in listed]
    if seen or not recordings:
        what = f"{seen[0]} was trained on" if seen else "it holds no audio"
        raise CatalogError(f"{folder} cannot be compared with: {what}. Name another.")
    encoding, windows, latents = encoding_of(generator), [], []
    for r in recordings:
        encoded = encode_file(Path(r.file), encoding, duration_s=r.duration_s)
        for first, part in cut_windows(encoded, max_tokens=generator.max_tokens):
            windows.append(
                LatentWindow(
                    recording_id=r.id,
                    start_s=first * encoding.token_s,
                    caption=r.caption or r.title,
                    caption_anonymous=r.caption_anonymous or "",
                )
            )
            latents.append(part)
    return LatentSet(tuple(windows), tuple(latents))


def losses_of(generator: Generator, groups: Groups, *, seed: int) -> Losses:
    """Return the loss of each recording at draws that all models share."""
    draws = Draws.make(generator, n_draws=_N_DRAWS, n_strata=_N_STRATA, seed=seed)
    return {name: _losses(generator, data, draws) for name, data in groups.items()}


def _losses(generator: Generator, data: LatentSet, draws: Draws) -> list[float]:
    found: dict[str, list[float]] = {}
    for row, window in enumerate(data.windows):
        batch = data.batch([row])
        said = generator.condition([window.caption], n_tokens=batch.n_tokens)
        with torch.no_grad():
            loss = float(losses_at(generator, batch, said, draws).mean())
        found.setdefault(window.recording_id, []).append(loss)
    return [float(np.mean(found[i])) for i in data.recording_ids]


def compare(models: Mapping[str, Losses]) -> dict[str, Any]:
    """Return the comparison of models, as a document.

    Args:
        models: Losses by model: `before`, `after`, and maybe `bridge`.
    """
    document: dict[str, Any] = {"models": {}, "rise": {}}
    for name, losses in models.items():
        never = losses.get("never_trained", [])
        document["models"][name] = {
            "loss": {group: _mean(values) for group, values in losses.items()},
            "withdrawn_against_never_trained": asdict(
                membership(losses["withdrawn"], never)
            ),
            "kept_against_never_trained": asdict(membership(losses["kept"], never)),
        }
    for name, losses in models.items():
        if name != "before":
            document["rise"][name] = {
                group: _mean(_differences(values, models["before"][group]))
                for group, values in losses.items()
            }
    if "bridge" in models:
        document["bridge_residual"] = {
            group: _mean(_differences(values, models["after"][group]))
            for group, values in models["bridge"].items()
        }
    return document


def _differences(after: Sequence[float], before: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(after, before, strict=True)]


def _mean(values: Sequence[float]) -> dict[str, Any]:
    """Return a mean with its 90 % t-interval; none for a single recording."""
    n = len(values)
    mean = float(np.mean(values))
    interval = None
    if n > 1:
        half = float(stats.t.ppf(0.95, n - 1) * np.std(values, ddof=1) / n**0.5)
        interval = asdict(Interval(low=mean - half, high=mean + half))
    return {"n": n, "mean": mean, "interval": interval}
