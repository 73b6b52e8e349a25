"""What the attacks are made of: filters, a phase vocoder, codecs.

All of it is NumPy and SciPy on `(channel, time)` arrays, full scale at 1.

References:
    Flanagan and Golden, "Phase vocoder", Bell System Technical Journal 1966;
    Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx
    2010; Griffin and Lim, "Signal estimation from modified short-time Fourier
    transform", IEEE Trans. ASSP 1984.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import ndimage, signal

from contrafact.catalog import read_audio

Samples = NDArray[np.float32]
_CONTAINERS = {"libmp3lame": "mp3", "aac": "mp4", "libopus": "ogg", "wmav2": "asf"}


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return the sound at another rate."""
    return soxr.resample(samples.T, rate, wanted).T.astype(np.float32)


def coded(samples: Samples, rate: int, codec: str, bits_per_s: int) -> Samples:
    """Return what a lossy codec leaves of mono sound, at the rate it was given.

    The delay of the codec is taken out by the decoder where the container says
    how long it is.
    """
    native = 48_000 if codec == "libopus" else 44_100
    at_native = resampled(samples, rate, native)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{_CONTAINERS[codec]}"
        _encode(path, at_native, native, codec, bits_per_s)
        again = _decoded(path)
    return resampled(again, native, rate)


def _encode(path: Path, samples: Samples, rate: int, codec: str, bits: int) -> None:
    with av.open(str(path), "w", format=_CONTAINERS[codec]) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.bit_rate, stream.layout = bits, "mono"
        mono = np.ascontiguousarray(samples[:1], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(mono, format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format or "fltp",
            layout="mono",
            rate=rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def _decoded(path: Path) -> Samples:
    if path.suffix != ".asf":
        return read_audio(path).samples
    with av.open(str(path)) as opened:
        parts = [frame.to_ndarray() for frame in opened.decode(audio=0)]
    return np.concatenate(parts, axis=1)[:1].astype(np.float32)


def vorbis(samples: Samples, rate: int, level: float) -> Samples:
    """Return what Ogg Vorbis leaves; `level` 0 is the best quality, 1 the least."""
    at_44 = resampled(samples, rate, 44_100)
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        at_44.T,
        44_100,
        format="OGG",
        subtype="VORBIS",
        compression_level=level,
    )
    buffer.seek(0)
    again, _ = soundfile.read(buffer, dtype="float32", always_2d=True)
    return resampled(again.T, 44_100, rate)


def spectra_of(channel: NDArray[np.float32], n_fft: int, hop: int) -> NDArray:
    """Return spectra, `(n_bins, n_frames)`."""
    return signal.ShortTimeFFT(signal.windows.hann(n_fft, sym=False), hop, fs=1.0).stft(
        channel
    )


def sound_of(spectra: NDArray, n_fft: int, hop: int, n_samples: int) -> NDArray:
    """Return the sound of spectra."""
    window = signal.windows.hann(n_fft, sym=False)
    transform = signal.ShortTimeFFT(window, hop, fs=1.0)
    return transform.istft(spectra, k1=n_samples).astype(np.float32)


def by_spectra(
    samples: Samples, change: Callable[[NDArray], NDArray], n_fft: int = 2048
) -> Samples:
    """Return the sound with each channel's spectra changed, length kept."""
    hop, n = n_fft // 4, samples.shape[1]
    return np.stack(
        [sound_of(change(spectra_of(c, n_fft, hop)), n_fft, hop, n) for c in samples]
    )


def stretched(samples: Samples, factor: float, n_fft: int = 2048) -> Samples:
    """Return the sound `factor` times as long at the same pitch, by phase vocoder."""
    hop = n_fft // 4
    n_wanted = round(samples.shape[1] * factor)
    return np.stack([_vocoded(c, factor, n_fft, hop, n_wanted) for c in samples])


def _vocoded(
    channel: NDArray, factor: float, n_fft: int, hop: int, n_wanted: int
) -> NDArray:
    spectra = spectra_of(channel, n_fft, hop)
    expected = 2 * np.pi * hop * np.arange(len(spectra)) / n_fft
    phases, levels = np.angle(spectra), np.abs(spectra)
    turn = np.diff(phases, axis=1) - expected[:, None]
    turn = turn - 2 * np.pi * np.round(turn / (2 * np.pi)) + expected[:, None]
    places = np.arange(0, spectra.shape[1] - 1, 1 / factor)
    whole = places.astype(int)
    part = places - whole
    new = levels[:, whole] * (1 - part) + levels[:, whole + 1] * part
    phase = np.cumsum(np.concatenate([phases[:, :1], turn[:, whole[:-1]]], 1), axis=1)
    full = new * np.exp(1j * phase)
    window = signal.windows.hann(n_fft, sym=False)
    transform = signal.ShortTimeFFT(window, hop, fs=1.0)
    missing = transform.p_num(n_wanted) - full.shape[1]
    full = np.pad(full, ((0, 0), (0, max(0, missing))))
    return transform.istft(full, k1=n_wanted).astype(np.float32)


def sped_up(samples: Samples, rate: int, factor: float) -> Samples:
    """Return the sound played `factor` times as fast, pitch and all."""
    return resampled(samples, round(rate * factor), rate)


def transposed(samples: Samples, rate: int, semitones: float) -> Samples:
    """Return the sound at another pitch, its length kept."""
    factor = 2 ** (semitones / 12)
    return sped_up(stretched(samples, factor), rate, factor)


def separated(samples: Samples, rate: int, part: str) -> Samples:
    """Return the `harmonic` or the `percussive` part."""

    def change(spectra: NDArray) -> NDArray:
        levels = np.abs(spectra)
        harmonic = ndimage.median_filter(levels, (1, 31)) ** 2
        percussive = ndimage.median_filter(levels, (31, 1)) ** 2
        kept = harmonic if part == "harmonic" else percussive
        return spectra * (kept / (harmonic + percussive + 1e-12))

    return by_spectra(samples, change)


def filtered(samples: Samples, rate: int, kind: str, hz: float) -> Samples:
    """Return the sound after a Butterworth filter of the sixth order."""
    sections = signal.butter(6, hz, kind, fs=rate, output="sos")
    return signal.sosfilt(sections, samples, axis=1).astype(np.float32)


def followed(samples: Samples, rate: int, *, up_ms: float, down_ms: float) -> NDArray:
    """Return the loudness that a compressor sees, dB, `(time,)`."""
    hop = 16
    peaks = np.abs(samples).max(axis=0)
    n = -(-len(peaks) // hop)
    blocks = np.pad(peaks, (0, n * hop - len(peaks))).reshape(n, hop).max(axis=1)
    rise, fall = (np.exp(-1000 * hop / (rate * ms)) for ms in (up_ms, down_ms))
    state, seen = 0.0, np.empty(n)
    for i, level in enumerate(blocks):
        by = rise if level > state else fall
        state = by * state + (1 - by) * level
        seen[i] = state
    at = np.interp(np.arange(len(peaks)), np.arange(n) * hop + hop / 2, seen)
    return 20 * np.log10(at + 1e-6)


def mel_vocoder(samples: Samples, rate: int, n_mels: int = 80) -> Samples:
    """Return the sound made anew from mel bands, phases by Griffin and Lim."""
    n_fft, hop, n = 1024, 256, samples.shape[1]
    bank = mel_bank(rate, n_fft, n_mels)
    inverse = np.linalg.pinv(bank)
    rng = np.random.default_rng(0)
    made = []
    for channel in samples:
        levels = np.abs(spectra_of(channel, n_fft, hop))
        rough = np.maximum(inverse @ (bank @ levels), 0.0)
        spectra = rough * np.exp(2j * np.pi * rng.random(rough.shape))
        for _ in range(12):
            again = spectra_of(sound_of(spectra, n_fft, hop, n), n_fft, hop)
            spectra = rough * again / (np.abs(again) + 1e-9)
        made.append(sound_of(spectra, n_fft, hop, n))
    return np.stack(made)


def mel_bank(rate: int, n_fft: int, n_mels: int) -> NDArray:
    """Return triangular mel filters, `(n_mels, n_fft // 2 + 1)`."""
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    up, down = (hz - low) / (middle - low), (high - hz) / (high - middle)
    return np.maximum(0.0, np.minimum(up, down))
