from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contrafact.generators.studio import SpectralCodec
from contrafact.generators.studio._phase import magnitude_to_audio

# Spectral convergence; measured 0.37, 0.09 and 0.07.
BOUNDS = {0: 0.45, 8: 0.15, 24: 0.11}


@pytest.mark.parametrize("n_iterations", BOUNDS)
def test_audio_has_the_magnitude_asked_for(
    codec: SpectralCodec, chords: Tensor, n_iterations: int
) -> None:
    """Phases are found under which the magnitude of real music comes about."""
    magnitude = codec.spectrum(chords).square()
    audio = magnitude_to_audio(
        magnitude, window=codec.window, hop=codec.config.hop, n_iterations=n_iterations
    )
    assert audio.shape == chords.shape
    found = codec.spectrum(audio).square()
    assert (found - magnitude).norm() / magnitude.norm() < BOUNDS[n_iterations]


@pytest.mark.parametrize("n_frames", [1, 4])
def test_silent_magnitude_is_silent_audio(codec: SpectralCodec, n_frames: int) -> None:
    """Where there is no peak at all there is no sound and no NaN."""
    audio = magnitude_to_audio(
        torch.zeros(2, codec.config.n_bins, n_frames),
        window=codec.window,
        hop=codec.config.hop,
        n_iterations=2,
    )
    assert torch.equal(audio, torch.zeros(2, n_frames * codec.config.hop))
