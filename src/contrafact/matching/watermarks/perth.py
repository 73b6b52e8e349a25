"""PerTh of Resemble AI: tells whether there is a mark, and carries no payload.

The weights are in the wheel of `resemble-perth` (MIT). Their file is of the
kind that can hold code, so it is believed by its digest alone, and read by a
reader of our own that knows tensors and nothing else; see docs/decisions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.core.errors import ModelFormatError, WatermarkError
from contrafact.matching.checkpoints import read_checkpoint
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
    folder_of_package,
    import_module_alone,
    load_tensors,
)

__all__ = ["Perth"]

_INSTALL = "pip install contrafact[perth]"
_WEIGHTS = "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
_DIGEST = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
_N_FFT, _HOP, _TOP_HZ, _WIDTH = 2048, 320, 2000, 256
_LEAST_MAGNITUDE, _HEADROOM_DB = 1e-9, 15.0
_FOUND_ABOVE = 0.5


class Perth:
    """The implicit PerTh network.

    Its score is about 1 for a mark and 0 for none; found is above one half, as
    its makers round it. How often that is wrong is measured by the bench.
    """

    name = "perth"
    n_bits = 0
    sample_rate = 32_000
    least_s = 1.0

    def __init__(self, encoder: Any, decoder: Any) -> None:
        """Take the two networks; see `load`."""
        self._encoder, self._decoder = encoder, decoder

    @classmethod
    def load(cls) -> Perth:
        """Load the networks and weights of the installed package.

        Raises:
            WatermarkError: If it is not installed, or its weights are not
                those that are known.
        """
        home = "perth.perth_net.perth_net_implicit.model"
        tensors = _tensors(folder_of_package("perth", install=_INSTALL) / _WEIGHTS)
        n_bins = round((_N_FFT // 2 + 1) * _TOP_HZ / (cls.sample_rate / 2))
        networks = []
        for part, kind in (("encoder", "Encoder"), ("decoder", "Decoder")):
            module = import_module_alone(
                f"{home}.{part}", n_skipped=2, install=_INSTALL
            )
            network = getattr(module, kind)(_WIDTH, n_bins)
            own = {
                name.removeprefix(f"{part}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{part}.")
            }
            load_tensors(network, own, source="The file of weights of PerTh")
            networks.append(network)
        return cls(*networks)

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; see `Watermark.embed`."""
        import torch

        check_markable(samples, sample_rate, least_s=self.least_s)
        check_bits(bits, self)
        heard = torch.from_numpy(at_rate(samples, sample_rate, self.sample_rate))
        with torch.no_grad():
            spectra = self._spectra(heard)
            level, phase = _level_of(spectra), torch.angle(spectra)
            marked, _ = self._encoder(level)
            changed = _magnitude_of(marked) - _magnitude_of(level)
            # Only what the mark changes goes through the synthesis.
            added = self._sound(changed * torch.exp(1j * phase), heard.shape[1])
        return fitted(samples, at_rate(added.numpy(), self.sample_rate, sample_rate))

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark in the mean of all channels; see `Watermark.detect`."""
        import torch

        check_sound(samples, sample_rate, least_s=self.least_s)
        mono = samples.mean(axis=0, keepdims=True)
        heard = torch.from_numpy(at_rate(mono, sample_rate, self.sample_rate))
        with torch.no_grad():
            score = float(self._decoder(_level_of(self._spectra(heard)))[0])
        score = min(1.0, max(0.0, score)) if np.isfinite(score) else 0.0
        return Detection(
            is_found=score > _FOUND_ABOVE,
            bits=np.zeros(0, dtype=np.uint8),
            confidence=score,
            false_positive_rate=None,
            detail=f"score {score:.2f}",
        )

    def _spectra(self, samples: Any) -> Any:
        import torch

        window = torch.hann_window(_N_FFT)
        return torch.stft(samples, _N_FFT, _HOP, window=window, return_complex=True)

    def _sound(self, spectra: Any, n_samples: int) -> Any:
        import torch

        window = torch.hann_window(_N_FFT)
        return torch.istft(spectra, _N_FFT, _HOP, window=window, length=n_samples)


def _level_of(spectra: Any) -> Any:
    """Return magnitudes on the scale of the network: 0 is -180 dB, 1 is 15 dB."""
    import torch

    lowest = 20 * np.log10(_LEAST_MAGNITUDE)
    decibels = 20 * torch.log10(spectra.abs().clip(_LEAST_MAGNITUDE))
    return (decibels - lowest) / (_HEADROOM_DB - lowest)


def _magnitude_of(level: Any) -> Any:
    lowest = 20 * np.log10(_LEAST_MAGNITUDE)
    return 10.0 ** ((level * (_HEADROOM_DB - lowest) + lowest) / 20).clip(max=10)


def _tensors(path: Path) -> dict[str, Any]:
    """Read the file of weights that is known, and no other."""
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise WatermarkError(
            f"The weights of PerTh are missing at {path}. Install it again: {_INSTALL}"
        ) from error
    if hashlib.sha256(data).hexdigest() != _DIGEST:
        raise WatermarkError(
            f"{path} is not the file of weights that was examined, and its kind can "
            "hold code, so it is not opened. Install resemble-perth 1.0.1."
        )
    try:
        model = read_checkpoint(data, source=str(path))["model"]
    except ModelFormatError as error:
        raise WatermarkError(str(error)) from error
    return {name: torch.from_numpy(array) for name, array in model.items()}
