"""Makes the sound of the `planted` corpus from sines and noise.

What is played belongs in `_planted_music.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.corpora._planted_music import PlantedRecording
from contrafact.catalog.corpora._planted_roster import MOTIF_STEPS, Timbre
from contrafact.catalog.corpora._writing import finish
from contrafact.catalog.corpora.base import SAMPLE_RATE

__all__ = ["sound"]

_RELEASE_S = 0.06
_VIBRATO_HZ = 5.5
_HIGHEST_HZ = 7000.0
_LOWEST_BASS = 36
_KICK, _HAT, _BASS = 0.4, 0.08, 0.25
_BAR_STEPS = 16
_BASS_TIMBRE = Timbre(
    name="bass", plain="", partials=(1.0, 0.4), attack_s=0.02, sustain=0.6
)
_COPY_GAIN = 0.5
_COPY_NOISE = 10 ** (-52 / 20)


def sound(recording: PlantedRecording) -> NDArray[np.float32]:
    """Return the audio of a recording, `(time,)`, at `SAMPLE_RATE`.

    A near-duplicate is the same performance at half the level with noise 26 dB
    below it.
    """
    audio = np.zeros(recording.n_frames + SAMPLE_RATE, np.float64)
    _add_melody(audio, recording)
    _add_groove(audio, recording)
    result = finish(audio[: recording.n_frames].astype(np.float32))
    if recording.noise_seed is None:
        return result
    rng = np.random.default_rng(recording.noise_seed)
    noise = rng.standard_normal(len(result), np.float32) * np.float32(_COPY_NOISE)
    return result * np.float32(_COPY_GAIN) + noise


def _add_melody(audio: NDArray[np.float64], recording: PlantedRecording) -> None:
    player = recording.player
    base = player.register[2] + recording.tonic % 12
    for motif, degree, start_s, _ in recording.motifs():
        step = 0
        for offset, length in zip(motif.degrees, motif.lengths, strict=True):
            pitch = base + _semitones(player.collection.scale, degree + offset)
            begin_s = start_s + _swung(step, recording) * recording.step_s
            note = _note(player.timbre, pitch, length * recording.step_s)
            _mix(audio, begin_s, note)
            step += length
        bass = base - 12 if base >= _LOWEST_BASS + 12 else base
        root = bass + _semitones(player.collection.scale, degree)
        held = _note(_BASS_TIMBRE, root, MOTIF_STEPS * recording.step_s)
        _mix(audio, start_s, _BASS * held)


def _swung(step: int, recording: PlantedRecording) -> float:
    return step + (recording.player.collection.swing if step % 2 else 0.0)


def _semitones(scale: tuple[int, ...], degree: int) -> int:
    octave, place = divmod(degree, len(scale))
    return 12 * octave + scale[place]


def _note(timbre: Timbre, pitch: float, length_s: float) -> NDArray[np.float64]:
    """Return one note with its release, at most 1 in level."""
    time = np.arange(round((length_s + _RELEASE_S) * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * frequency * time
    if timbre.vibrato:
        depth = frequency * (2 ** (timbre.vibrato / 12) - 1) / _VIBRATO_HZ
        phase = phase + depth * np.sin(2 * np.pi * _VIBRATO_HZ * time)
    envelope = _envelope(timbre, time, length_s)
    ratio, index = timbre.fm
    if index:
        phase = phase + index * envelope * np.sin(ratio * phase)
    n_heard = max(int(_HIGHEST_HZ / frequency), 1)
    partials = timbre.partials[:n_heard]
    wave = sum(a * np.sin(k * phase) for k, a in enumerate(partials, start=1) if a)
    return np.asarray(wave * envelope / sum(partials))


def _envelope(
    timbre: Timbre, time: NDArray[np.float64], length_s: float
) -> NDArray[np.float64]:
    rise = np.minimum(time / timbre.attack_s, 1)
    fall = timbre.sustain + (1 - timbre.sustain) * np.exp(-time / timbre.decay_s)
    release = np.clip((length_s + _RELEASE_S - time) / _RELEASE_S, 0, 1)
    return np.asarray(rise * fall * release)


def _add_groove(audio: NDArray[np.float64], recording: PlantedRecording) -> None:
    groove = recording.player.collection
    kick, hat = _kick(), _hat()
    for step in range(len(recording.slots) * MOTIF_STEPS):
        begin_s = _swung(step, recording) * recording.step_s
        if step % _BAR_STEPS in groove.kicks:
            _mix(audio, begin_s, _KICK * kick)
        if step % _BAR_STEPS in groove.hats:
            _mix(audio, begin_s, _HAT * hat)


def _kick() -> NDArray[np.float64]:
    time = np.arange(round(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
    sweep = 2 * np.pi * (55 * time - 1.5 * np.exp(-time / 0.02))
    return np.asarray(np.sin(sweep) * np.exp(-time / 0.04))


def _hat() -> NDArray[np.float64]:
    time = np.arange(round(0.06 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    return np.asarray(np.diff(noise, prepend=0.0) * np.exp(-time / 0.012))


def _mix(audio: NDArray[np.float64], begin_s: float, part: NDArray[np.float64]) -> None:
    """Add `part` at an exact frame; what reaches beyond the end is cut off."""
    begin = round(begin_s * SAMPLE_RATE)
    part = part[: max(len(audio) - begin, 0)]
    audio[begin : begin + len(part)] += part
