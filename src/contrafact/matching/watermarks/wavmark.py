"""WavMark: 32 bits a second, half of them a pattern to find the rest by.

The package `wavmark` (MIT) has the network; the user gives the weights,
`wavmark.safetensors`. It is read here as its makers do: a window that slides
in twentieths of a second is believed if it shows the whole pattern.

References:
    Chen et al., "WavMark: Watermarking for audio generation", 2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.watermarks.base import (
    Bits,
    Detection,
    Samples,
    at_rate,
    check_bits,
    check_markable,
    check_sound,
    fitted,
)
from contrafact.matching.watermarks.packages import (
    import_module_alone,
    load_tensors,
    read_tensors,
)

__all__ = ["WavMark"]

_INSTALL = "pip install --no-deps wavmark"
_PATTERN = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0])
_BLOCKS = "hinet.inv_blocks."
_SECOND, _GAP = 16_000, 1_600
_STEP, _BATCH = 800, 16
_SNR_DB = (20.0, 38.0)


class WavMark:
    """The network of WavMark, 16 kHz, a second at a time."""

    name = "wavmark"
    n_bits = 16
    sample_rate = 16_000
    least_s = 1.2

    def __init__(self, network: Any) -> None:
        """Take the network; see `load` and `build`."""
        self._network = network

    @classmethod
    def load(cls, weights: Path) -> WavMark:
        """Load the network with the user's weights.

        Raises:
            WatermarkError: If the package is not installed, or the weights are
                missing or of another network.
        """
        tensors = read_tensors(weights, "wavmark.safetensors")
        blocks = {n.split(".")[2] for n in tensors if n.startswith(_BLOCKS)}
        made = cls.build(n_layers=len(blocks) or 8)
        source = str(weights / "wavmark.safetensors")
        load_tensors(made._network, tensors, source=source)
        return made

    @classmethod
    def build(cls, n_layers: int = 8) -> WavMark:
        """Make an untrained network in the published shape, or a shallower one."""
        module = import_module_alone(
            "wavmark.models.my_model", n_skipped=1, install=_INSTALL
        )
        network = module.Model(
            _SECOND, num_bit=32, n_fft=1000, hop_length=400, num_layers=n_layers
        )
        return cls(network.eval())

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; see `Watermark.embed`."""
        check_markable(samples, sample_rate, least_s=self.least_s)
        check_bits(bits, self)
        heard = at_rate(samples, sample_rate, self.sample_rate)
        message = np.concatenate([_PATTERN, bits]).astype(np.float32)
        added = np.zeros_like(heard)
        starts = range(0, heard.shape[1] - _SECOND + 1, _SECOND + _GAP)
        for channel, place in ((c, p) for c in range(len(heard)) for p in starts):
            second = heard[channel, place : place + _SECOND]
            added[channel, place : place + _SECOND] = self._of_second(second, message)
        return fitted(samples, at_rate(added, self.sample_rate, sample_rate))

    def _of_second(
        self, second: NDArray[np.float32], message: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return what marks one second: nothing where it would be heard."""
        import torch

        marked = torch.from_numpy(second.copy())[None]
        sent = torch.from_numpy(message)[None]
        for attempt in range(10):
            with torch.no_grad():
                marked = self._network.encode(marked, sent)
            added: NDArray[np.float32] = marked[0].numpy() - second
            ratio = _decibels(second, added)
            if attempt == 0 and ratio < _SNR_DB[0]:
                return np.zeros_like(second)
            if ratio < _SNR_DB[1]:
                break
        return added

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark in the mean of all channels; see `Watermark.detect`."""
        import torch

        check_sound(samples, sample_rate, least_s=self.least_s)
        mono = samples.mean(axis=0, keepdims=True)
        heard = at_rate(mono, sample_rate, self.sample_rate)[0]
        views = np.lib.stride_tricks.sliding_window_view(heard, _SECOND)[::_STEP]
        parts = []
        for start in range(0, len(views), _BATCH):
            batch = torch.from_numpy(views[start : start + _BATCH].copy())
            with torch.no_grad():
                parts.append(self._network.decode(batch).numpy() >= 0.5)
        messages = np.concatenate(parts)
        is_whole = (messages[:, :16] == _PATTERN).all(axis=1)
        n_found = int(is_whole.sum())
        read = messages[is_whole if n_found else slice(None), 16:].mean(axis=0)
        return Detection(
            is_found=n_found > 0,
            bits=(read >= 0.5).astype(np.uint8),
            confidence=float(np.abs(2 * read - 1).mean()) if n_found else 0.0,
            false_positive_rate=min(1.0, len(views) / 2**16),
            detail=f"the pattern is whole in {n_found} of {len(views)} windows",
        )


def _decibels(signal: NDArray[np.float32], noise: NDArray[np.float32]) -> float:
    power = float((noise.astype(float) ** 2).sum()) + 1e-20
    return float(10 * np.log10(float((signal.astype(float) ** 2).sum()) / power + 1e-9))
