"""How well a candidate model predicts a recording, against the other candidates.

A diffusion model's training loss is a bound on its log-likelihood. The draws of
noise are the same for every recording, so that their differences are the
recordings', and other models tell how easy the music is.

References:
    Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020 (the
    bound); Li et al., "Your diffusion model is secretly a zero-shot classifier",
    ICCV 2023 (classifying by losses on shared draws).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import soxr
import torch

from contrafact.generators import Generator, LatentBatch
from contrafact.matching.origin.chain import RATE, Samples

__all__ = ["likelihood_scores", "mean_loss"]

_TIMES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
_SEED = 7


@torch.inference_mode()
def mean_loss(generator: Generator, samples: Samples) -> float:
    """Return a candidate's mean loss on a recording, over eight noise levels.

    Args:
        generator: The candidate, asked without a prompt.
        samples: `(time,)`, at 16 kHz; the middle that the model can hold is used.
    """
    latents = _latents(generator, samples)
    n_tokens = latents.shape[-1]
    count = len(_TIMES)
    noise = torch.randn(
        (count, *latents.shape[1:]), generator=torch.Generator().manual_seed(_SEED)
    )
    batch = LatentBatch(
        latents.expand(count, -1, -1), torch.ones((count, n_tokens), dtype=torch.bool)
    )
    conditioning = generator.condition([""] * count, n_tokens=[n_tokens] * count)
    losses = generator.loss(
        batch, conditioning, times=torch.tensor(_TIMES), noise=noise
    )
    return float(losses.mean())


def _latents(generator: Generator, samples: Samples) -> torch.Tensor:
    rate = generator.sample_rate
    moved = np.asarray(soxr.resample(samples, RATE, rate), np.float32)
    most = round(generator.max_tokens * rate / generator.token_rate_hz)
    start = max(0, (len(moved) - most) // 2)
    part = torch.from_numpy(moved[start : start + most])
    part = part / part.abs().max().clamp_min(1e-6)
    audio = part[None, None].expand(1, generator.n_channels, -1)
    return generator.encode(audio)[..., : generator.max_tokens]


def likelihood_scores(
    candidates: Mapping[str, Generator], samples: Samples
) -> dict[str, float]:
    """Return for each candidate how much better than the others it predicts.

    Returns:
        The other candidates' mean loss, in that candidate's own units of latents,
        less its own; minus its loss where it is the only one.
    """
    losses = {name: mean_loss(g, samples) for name, g in candidates.items()}
    if len(losses) < 2:
        return {name: -loss for name, loss in losses.items()}
    total, others = sum(losses.values()), len(losses) - 1
    return {name: (total - loss) / others - loss for name, loss in losses.items()}
