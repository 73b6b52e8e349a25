"""SilentCipher of Sony: 40 bits at 44.1 kHz.

The package `silentcipher` (MIT) has the networks and asks for a PyTorch of
2023; they run with later ones, so it is installed without its dependencies.
The user gives the weights, `enc_c.safetensors`, `dec_c.safetensors` and
`dec_m_0.safetensors`, and the published `hparams.yaml` beside them.

References:
    Singh et al., "SilentCipher: Deep audio watermarking", Interspeech 2024.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.core.errors import WatermarkError
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

__all__ = ["SilentCipher"]

_INSTALL = "pip install --no-deps silentcipher"
_POWER = 0.002837200844477648
"""The mean power of the speech it was trained on; sound is brought to it."""
_N_SHIFTS = 8
_FOUND_ABOVE = 0.6
_PUBLISHED: dict[str, Any] = {
    "SR": 44_100,
    "N_FFT": 4096,
    "HOP_LENGTH": 2048,
    "message_dim": 5,
    "message_len": 21,
    "message_band_size": 1024,
    "enc_n_layers": 3,
    "dec_c_n_layers": 4,
    "message_sdr": 47,
    "frame_level_normalization": False,
    "utterance_level_normalization": True,
    "ensure_negative_message": False,
    "no_normalization": False,
}
"""Settings that matter; those of `hparams.yaml` go before."""
_SHAPES = ("enc_c", "dec_c", "dec_m_0")


class SilentCipher:
    """The networks of SilentCipher, one channel at a time."""

    name = "silentcipher"
    n_bits = 40
    least_s = 2.0

    def __init__(self, networks: dict[str, Any], settings: dict[str, Any]) -> None:
        """Take the three networks; see `load` and `build`."""
        self._networks = networks
        self._s = SimpleNamespace(**settings)
        self.sample_rate: int = self._s.SR
        self.n_bits = 2 * (self._s.message_len - 1)

    @classmethod
    def load(cls, weights: Path) -> SilentCipher:
        """Load the networks with the user's weights.

        Raises:
            WatermarkError: If the package is not installed, or the weights are
                missing or of another network.
        """
        made = cls.build(**_read_settings(weights / "hparams.yaml"))
        for part in _SHAPES:
            name = f"{part}.safetensors"
            load_tensors(
                made._networks[part],
                read_tensors(weights, name),
                source=str(weights / name),
            )
        return made

    @classmethod
    def build(cls, **given: Any) -> SilentCipher:
        """Make untrained networks in the published shape, or with other settings."""
        module = import_module_alone(
            "silentcipher.model", n_skipped=1, install=_INSTALL
        )
        s = {**_PUBLISHED, **given}
        size = s["message_band_size"]
        networks = {
            "enc_c": module.Encoder(
                n_layers=s["enc_n_layers"],
                message_dim=s["message_dim"],
                out_dim=32,
                message_band_size=size,
                n_fft=s["N_FFT"],
            ),
            "dec_c": module.CarrierDecoder(
                config=SimpleNamespace(**s),
                conv_dim=96,
                n_layers=s["dec_c_n_layers"],
                message_band_size=size,
            ),
            "dec_m_0": module.MsgDecoder(
                message_dim=s["message_dim"], message_band_size=size
            ),
        }
        return cls({name: one.eval() for name, one in networks.items()}, s)

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; see `Watermark.embed`."""
        check_markable(samples, sample_rate, least_s=self.least_s)
        check_bits(bits, self)
        heard = at_rate(samples, sample_rate, self.sample_rate)
        letters = bits.reshape(-1, 2) @ np.array([2, 1]) + 1
        added = np.stack([self._of_channel(channel, letters) for channel in heard])
        return fitted(samples, at_rate(added, self.sample_rate, sample_rate))

    def _of_channel(
        self, channel: NDArray[np.float32], letters: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        import torch

        gain = np.sqrt(_POWER / (float((channel**2).mean()) + 1e-12))
        spectra = self._spectra(torch.from_numpy(channel * np.float32(gain)))
        carrier = spectra.abs()[None, None]
        with torch.no_grad():
            message = self._message(letters, carrier.shape[3])
            coded = self._networks["enc_c"].transform_message(message)
            merged = torch.cat(
                (
                    self._networks["enc_c"](carrier),
                    carrier.repeat(1, 32, 1, 1),
                    coded.repeat(1, 32, 1, 1),
                ),
                dim=1,
            )
            change = self._networks["dec_c"](merged, self._s.message_sdr)
        level = self._scaled(change, carrier)
        # Magnitudes cannot fall below nothing.
        turned = torch.abs(carrier + level) - carrier
        phases = torch.exp(1j * torch.angle(spectra))
        added = self._sound(turned[0, 0] * phases, len(channel)).numpy() / gain
        found: NDArray[np.float32] = added.astype(np.float32)
        return found

    def _scaled(self, change: Any, carrier: Any) -> Any:
        import torch

        if self._s.frame_level_normalization:
            change = change * torch.mean(carrier**2, dim=2, keepdim=True) ** 0.5
        elif self._s.utterance_level_normalization:
            change = change * torch.mean(carrier**2, dim=(2, 3), keepdim=True) ** 0.5
        return -change if self._s.ensure_negative_message else change

    def _message(self, letters: NDArray[np.int64], n_frames: int) -> Any:
        """Return the letters, and the end after them, over all frames, one-hot."""
        import torch

        one_hot = np.identity(self._s.message_dim)[np.append(letters, 0)].T
        n_times = -(-n_frames // self._s.message_len)
        whole = np.tile(one_hot, (1, n_times))[:, :n_frames]
        return torch.from_numpy(whole.astype(np.float32))[None, None]

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark in the mean of all channels; see `Watermark.detect`.

        Where the frames begin is tried in eighths of a frame, which takes the
        detector eight times where there is no mark.
        """
        check_sound(samples, sample_rate, least_s=self.least_s)
        mono = samples.mean(axis=0)[None]
        heard = at_rate(mono, sample_rate, self.sample_rate)[0]
        heard = heard * np.sqrt(_POWER / (float((heard**2).mean()) + 1e-12))
        letters, agreeing = self._letters(heard)
        for shift in range(1, _N_SHIFTS):
            if agreeing > _FOUND_ABOVE:
                break
            start = shift * self._s.HOP_LENGTH // _N_SHIFTS
            letters, agreeing = max(
                (letters, agreeing), self._letters(heard[start:]), key=lambda x: x[1]
            )
        ends = np.flatnonzero(letters == 0)
        turned = np.roll(letters, -ends[0] - 1) if len(ends) else letters
        values = np.maximum(turned[: self._s.message_len - 1] - 1, 0)
        bits = (values[:, None] >> np.array([1, 0]) & 1).astype(np.uint8)
        return Detection(
            is_found=len(ends) == 1 and agreeing > _FOUND_ABOVE,
            bits=bits.reshape(-1),
            confidence=agreeing,
            false_positive_rate=None,
            detail=f"{agreeing:.0%} of the letters agree",
        )

    def _letters(self, heard: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
        """Return the likeliest letter at each place, and how far repeats agree."""
        import torch

        carrier = self._spectra(torch.from_numpy(heard.astype(np.float32))).abs()
        with torch.no_grad():
            seen = self._networks["dec_m_0"](carrier[None, None])[0, 0].numpy()
        length = self._s.message_len
        n_times = seen.shape[1] // length
        if n_times == 0:
            return np.ones(length, dtype=np.int64), 0.0
        picked = seen[:, : n_times * length].argmax(axis=0).reshape(n_times, length)
        counts = np.stack([(picked == i).sum(axis=0) for i in range(len(seen))])
        return counts.argmax(axis=0), float(counts.max(axis=0).mean() / n_times)

    def _spectra(self, samples: Any) -> Any:
        import torch

        n_fft = self._s.N_FFT
        padded = torch.nn.functional.pad(samples, (0, n_fft - len(samples) % n_fft))
        window = torch.hann_window(n_fft)
        return torch.stft(
            padded, n_fft, self._s.HOP_LENGTH, window=window, return_complex=True
        )

    def _sound(self, spectra: Any, n_samples: int) -> Any:
        import torch

        n_fft = self._s.N_FFT
        window = torch.hann_window(n_fft)
        return torch.istft(
            spectra, n_fft, self._s.HOP_LENGTH, window=window, length=n_samples
        )


def _read_settings(path: Path) -> dict[str, Any]:
    """Return the settings that the networks were trained with.

    Raises:
        WatermarkError: If there are none.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WatermarkError(
            f"The settings of SilentCipher cannot be read from {path}. Put the "
            "published hparams.yaml beside the weights."
        ) from error
    if not isinstance(found, dict):
        raise WatermarkError(f"{path} holds no settings. Take the published file.")
    return {name: value for name, value in found.items() if isinstance(name, str)}
