"""Scores of sounds without a source, measured once with an index."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.base import AttributionTask, Example, sum_windows
from contrafact.attribution.null_signals import null_signals
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import NotFittedError
from contrafact.generators.base import LatentBatch

__all__ = ["NULL", "null_examples", "read_nulls", "write_nulls"]

NULL = "null.safetensors"
_MAX_TOKENS = 64


def null_examples(task: AttributionTask, count: int) -> list[Example]:
    """Return sounds without a source as queries of one example, without a prompt."""
    generator = task.generator
    n_tokens = min(generator.max_tokens, _MAX_TOKENS)
    sounds = null_signals(
        count,
        n_samples=int(n_tokens * generator.sample_rate / generator.token_rate_hz),
        sample_rate=generator.sample_rate,
        seed=task.seed,
    )
    found = []
    for sound in sounds:
        audio = sound.expand(1, generator.n_channels, -1)
        latents = generator.encode(audio)[..., :n_tokens]
        batch = LatentBatch.stack([latents[0]])
        said = generator.condition([""], n_tokens=batch.n_tokens)
        found.append((batch, said))
    return found


def write_nulls(task: AttributionTask, path: Path, products: Tensor) -> None:
    """Keep the scores of sounds without a source.

    Args:
        task: What is attributed.
        path: Where they are kept.
        products: Their products with every window, `(n_query, n_sets, n_window)`.
    """
    values = sum_windows(products.mean(1), task.train) / len(task.train)
    write_bytes(path, save({"values": values.float()}))


def read_nulls(path: Path, *, count: int) -> Tensor | None:
    """Return scores of sounds without a source, `(count, n_recording)`, if any.

    Raises:
        NotFittedError: If they are missing or damaged.
    """
    if not count:
        return None
    if not path.exists():
        raise NotFittedError(
            f"The index in {path.parent} is not finished; "
            "run `contrafact index build` again to go on."
        )
    values = read_tensors(path).get("values")
    if values is None or len(values) != count:
        raise NotFittedError(
            f"{path} is damaged; remove it and run `contrafact index build` again."
        )
    return values
