"""Pulse, scales and nulls: what they find, and their slow twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
from scipy.ndimage import gaussian_filter1d

from contrafact.matching.origin import pulse as pulses
from contrafact.matching.origin.chain import RATE
from contrafact.matching.origin.flux import moving
from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.pulse import PULSE_AXIS, pulse
from contrafact.matching.origin.residual import AXIS, BIN_HZ, STEP, residual, spectra
from contrafact.matching.origin.scaling import Template, transformed

CLOSE = 1e-9
"""Both sides are sums of some ten thousand products in float64."""


def _beating(hz: float, depth: float, seed: int = 0) -> Any:
    """Return ten seconds of noise whose power beats."""
    rng = np.random.default_rng(seed)
    time = np.arange(10 * RATE) / RATE
    noise = rng.standard_normal(len(time))
    return (0.1 * noise * (1 + depth * np.cos(2 * np.pi * hz * time))).astype(
        np.float32
    )


def _at(values: Any, hz: float) -> float:
    place = int(np.argmin(np.abs(PULSE_AXIS - hz)))
    return float(values[place - 2 : place + 3].max())


def test_a_pulse_is_seen_where_the_mean_spectrum_shows_nothing() -> None:
    """A twentieth of the level, at a rate that no music keeps for so long."""
    with_it, without = _beating(80.0, 0.05), _beating(80.0, 0.0)
    assert _at(pulse(with_it), 80.0) > 1.0
    assert _at(pulse(without), 80.0) < 0.7
    both = [residual(spectra(s)) for s in (with_it, without)]
    assert abs(float(both[0].std()) - float(both[1].std())) < 0.05


def _framed(hop: int, seed: int = 3) -> Any:
    """Return ten seconds of noise that was given one even spectrum frame by frame."""
    n = 4 * hop
    window = np.hanning(n + 1)[:-1]
    noise = np.random.default_rng(seed).standard_normal(10 * RATE)
    frames = np.lib.stride_tricks.sliding_window_view(noise, n)[::hop]
    spectra_of = np.fft.rfft(frames * window)
    sound = np.zeros(len(frames) * hop + n)
    for i, frame in enumerate(np.fft.irfft(spectra_of / np.abs(spectra_of))):
        sound[i * hop : i * hop + n] += window * frame
    return (0.1 * sound / sound.std()).astype(np.float32)


def test_what_is_made_in_frames_moves_on_at_their_rate() -> None:
    """31.25 frames a second are a line in the change of the spectrum alone."""
    step_hz = 1 / 96

    def line(sound: Any, hz: float) -> float:
        lines = moving(sound, step_hz)
        place = round(hz / step_hz)
        return float(lines[place - 2 : place + 3].max() / lines[480:].mean())

    sound = _framed(512)
    assert line(sound, 31.25) > 100.0
    assert line(sound, 27.0) < 12.0
    assert line(_beating(31.25, 0.0), 31.25) < 12.0
    assert _at(pulse(sound), 31.25) > 2.0


def test_a_note_counts_for_no_more_than_a_line_that_stays() -> None:
    """However loud it is: half of the time it is not there."""
    rng = np.random.default_rng(5)
    time = np.arange(20 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1_000.0 * time) * (time < 10)
    stays = np.sin(2 * np.pi * 2_000.0 * time)
    noise = 0.05 * rng.standard_normal(len(time))

    def left(level: float) -> Any:
        sound = noise + level * tone + 0.002 * stays
        return residual(spectra(sound.astype(np.float32)))

    low, line = (round(hz / BIN_HZ) for hz in (1_000.0, 2_000.0))
    assert left(0.3)[low] == pytest.approx(left(0.03)[low], abs=0.1)
    assert left(0.3)[line] > left(0.3)[low]


def test_speed_moves_a_pulse_along_its_axis() -> None:
    """By the logarithm of the factor, as it moves a residual."""
    sound = _beating(80.0, 0.3)
    faster = np.asarray(soxr.resample(sound, RATE * 1.1, RATE), np.float32)
    assert _at(pulse(faster), 88.0) > 2.0
    assert _at(pulse(faster), 80.0) < 0.7


def test_silence_and_tone_have_no_pulse_that_is_not_a_number() -> None:
    """Whatever is asked, numbers within ±3 come back."""
    time = np.arange(5 * RATE) / RATE
    for sound in (np.zeros(5 * RATE), 0.1 * np.sin(2 * np.pi * 440 * time)):
        values = pulse(sound.astype(np.float32))
        assert np.isfinite(values).all()
        assert float(np.abs(values).max()) <= 3.0


def test_beating_agrees_with_its_definition() -> None:
    """Sums of exponentials, written out, of one small band."""
    rng = np.random.default_rng(2)
    band = rng.standard_normal(40) + 1j * rng.standard_normal(40)
    n, size = 4_000, 80
    times = np.arange(size)
    wave = [np.sum(band * np.exp(2j * np.pi * np.arange(40) * t / size)) for t in times]
    power = np.abs(np.array(wave) / size) ** 2
    width = max(1, round(pulses._LOCAL_S * size * RATE / n))
    padded = np.pad(power, width, mode="symmetric")
    first = width - width // 2
    local = np.array([padded[first + t : first + t + width].mean() for t in times])
    level = power / (local + 1e-3 * power.mean())
    held = level / (1 + level / pulses._HELD_BACK)
    held = held - held.mean()
    found, step_hz = pulses._beating(band, n)
    assert step_hz == pytest.approx(pulses._STEP_HZ, rel=0.02)
    turn = step_hz * n / (size * RATE)
    lines = [
        abs(np.sum(held * np.exp(-2j * np.pi * k * turn * times))) ** 2
        for k in range(len(found))
    ]
    assert found == pytest.approx(np.array(lines), rel=1e-6, abs=1e-12)


def test_sounds_that_are_as_long_have_nothing_else_in_common() -> None:
    """Noise of one length leaves no pattern that a class could be known by."""
    rng = np.random.default_rng(8)

    def mean(seconds: float) -> Any:
        sounds = rng.standard_normal((10, round(seconds * RATE))).astype(np.float32)
        return np.mean([pulse(sound) for sound in sounds], axis=0)

    for seconds in (6.0, 10.0):
        assert abs(np.corrcoef(mean(seconds), mean(seconds))[0, 1]) < 0.15


def test_levels_are_taken_from_the_nearest_line() -> None:
    """Nothing is mixed between lines: a mean of two is higher than one usually is."""
    lines = np.arange(400.0)
    found = pulses._at_rates(lines, pulses._STEP_HZ * 0.9, 300)
    assert found == pytest.approx(np.rint(np.arange(300) / 0.9))
    assert pulses._at_rates(lines, pulses._STEP_HZ, 900)[-1] == 399.0


def test_a_rate_alone_counts_for_more_than_one_among_many() -> None:
    """A level over the sixth power mean of those around it, written out."""
    width = 21
    one, many = np.ones(101), np.ones(101)
    one[50], many[40:61:2] = 9.0, 9.0
    for levels in (one, many):
        mean = np.mean(levels[40:61] ** pulses._ALONE) ** (1 / pulses._ALONE)
        found = pulses._alone(levels, width)[50]
        assert found == pytest.approx(levels[50] / mean)
    assert pulses._alone(one, width)[50] > 1.3 * pulses._alone(many, width)[50]


def test_fits_agree_with_correlations_written_out() -> None:
    """At every scale, over what overlaps, of residual, pulse and both."""
    rng = np.random.default_rng(3)
    shape = (2, len(AXIS))
    values, heard = rng.standard_normal(shape), rng.standard_normal(shape)
    heard[:, 50:] += 0.2 * values[:, :-50]
    variance = 0.5 + rng.random(shape)
    fits = Template(values=values, variance=variance).fit(transformed(heard, variance))
    for layers, fit in zip(([0], [1], [0, 1]), fits.views, strict=True):
        lag = round(np.log(fit.scale) / STEP)
        slow = _correlation(values[layers], heard[layers], variance[layers], lag)
        assert fit.best == pytest.approx(slow, abs=CLOSE)
        still = max(
            _correlation(values[layers], heard[layers], variance[layers], near)
            for near in range(-2, 3)
        )
        assert fit.still == pytest.approx(still, abs=CLOSE)
    assert fits.both.scale == pytest.approx(np.exp(50 * STEP))


def _correlation(values: Any, heard: Any, variance: Any, lag: int) -> float:
    n = values.shape[1]
    product = energy = overlap = 0.0
    for row in range(len(values)):
        for place in range(max(0, -lag), min(n, n - lag)):
            product += (
                heard[row, place + lag] * values[row, place] / variance[row, place]
            )
            energy += heard[row, place + lag] ** 2 / variance[row, place]
            overlap += values[row, place] ** 2 / variance[row, place]
    return float(product / np.sqrt(energy * overlap))


def test_lines_are_explained_at_one_scale_by_softened_residual_and_pulse() -> None:
    """The best sum over all scales, written out; it may be best for neither."""
    rng = np.random.default_rng(4)
    shape = (2, len(AXIS))
    values, heard = rng.standard_normal(shape), rng.standard_normal(shape)
    heard[:, 50:] += 0.5 * values[:, :-50]
    variance = 0.5 + rng.random(shape)
    fits = Template(values=values, variance=variance).fit(transformed(heard, variance))
    soft = [gaussian_filter1d(each, 6.0, axis=-1) for each in (values, heard)]

    def explained(lag: int) -> float:
        of_lines = _correlation(soft[0][[0]], soft[1][[0]], variance[[0]], lag)
        return of_lines + 0.2 * _correlation(
            values[[1]], heard[[1]], variance[[1]], lag
        )

    lags = range(40, 61)
    best = max(lags, key=explained)
    assert fits.shared.value == pytest.approx(explained(best), abs=CLOSE)
    assert fits.shared.scale == pytest.approx(np.exp(STEP * best))


@pytest.mark.parametrize("draw", ["exponential", "normal", "gumbel"])
def test_a_null_keeps_its_rate(draw: str) -> None:
    """Of scores that it never saw, no more than stated are as surprising."""
    rng = np.random.default_rng(4)
    make: Callable[..., Any] = getattr(rng, draw)
    made = {"exponential": 1.0}.get(draw)
    sizes = {"size": 40_300}
    scores = make(made, **sizes) if made else make(**sizes)
    null = Null.of([float(s) for s in scores[:300]])
    found = np.array([null.p_value(float(s)) for s in scores[300:]])
    assert (found <= 0.01).mean() <= 0.02
    assert (found <= 0.001).mean() <= 0.004


def test_a_null_of_heavy_tails_believes_them() -> None:
    """Where its own scores fall off more slowly than the distribution fitted."""
    rng = np.random.default_rng(5)
    scores = np.concatenate([rng.standard_normal(270), 2 + rng.exponential(4.0, 30)])
    null = Null.of([float(s) for s in scores])
    plain = Null(location=null.location, scale=null.scale, n=null.n)
    assert null.p_value(15.0) > 2 * plain.p_value(15.0)
    assert Null.of([1.0, 2.0, 3.0]).tail_scale == 0.0


def test_a_null_of_surprises_never_makes_more_of_one() -> None:
    """People's surprises at one class are near 0, and a fit to them too narrow."""
    rng = np.random.default_rng(6)
    scores = [float(s) for s in np.maximum(rng.exponential(size=24) - 1.0, 0.0)]
    plain, wary = Null.of(scores), Null.of(scores, is_of_surprises=True)
    assert plain.surprise(9.0) > 12.0
    assert wary.surprise(9.0) == 9.0
    assert wary.surprise(0.1) == min(0.1, plain.surprise(0.1))
