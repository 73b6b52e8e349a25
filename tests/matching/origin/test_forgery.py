"""Lines of a generator that were filtered into a recording by people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrafact.matching.origin import OriginRegistry, Rules, joining
from contrafact.matching.origin.chain import RATE
from contrafact.matching.origin.joining import Judged
from contrafact.matching.origin.residual import AXIS
from contrafact.matching.origin.scaling import Fit, Shared
from contrafact.matching.origin.scores import ClassScore, Usual, ViewScore

STEP_HZ = 71.77
DEPTH = 0.2
Sound = Callable[..., Any]


def _beating(samples: Any) -> Any:
    time = np.arange(len(samples)) / RATE
    return samples * (1 + DEPTH * np.cos(2 * np.pi * STEP_HZ * time))


@pytest.fixture(scope="module")
def beating(
    registry: OriginRegistry,
    write: Callable[..., Path],
    music: Sound,
    with_lines: Sound,
    tmp_path_factory: pytest.TempPathFactory,
) -> OriginRegistry:
    """Return a registry of people, and of a generator with lines and their beat."""
    folder = tmp_path_factory.mktemp("beating") / "origin"
    shutil.copytree(registry._directory, folder)
    found = OriginRegistry.open(folder)
    for name in [c.name for c in found.classes() if not c.is_human]:
        found.remove(name)
    made = [_beating(with_lines(music(100 + i), STEP_HZ)) for i in range(6)]
    found.enroll("beating", [write(samples) for samples in made])
    return found


def _printed(registry: OriginRegistry, samples: Any, strength: float) -> Any:
    """Return a recording with a class's mean residual filtered in."""
    means = [
        registry.find(name).values[:, 0].mean(axis=0) for name in ("beating", "people")
    ]
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    gain_db = np.interp(hz, AXIS, strength * (means[0] - means[1]), left=0, right=0)
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples))


def test_printed_lines_have_no_name_and_no_verdict_of_the_wary(
    beating: OriginRegistry, write: Callable[..., Path], music: Sound
) -> None:
    """They are told, with what may have made them; the beat is what they lack."""
    for seed in (951, 952):
        path = write(_printed(beating, music(seed), 3.0))
        plain = beating.identify(path)
        assert (plain.verdict, plain.generator) == ("ai", None)
        assert "lines of beating without its beat" in plain.description
        wary = beating.identify(path, rules=Rules(is_wary=True))
        assert (wary.verdict, wary.generator) == ("unknown", None)


def test_the_wary_still_know_what_beats(
    beating: OriginRegistry, write: Callable[..., Path], music: Sound, with_lines: Sound
) -> None:
    """New music of the generator itself has its name, whoever asks."""
    path = write(_beating(with_lines(music(953), STEP_HZ)))
    for rules in (Rules(), Rules(is_wary=True)):
        finding = beating.identify(path, rules=rules)
        assert (finding.verdict, finding.generator) == ("ai", "beating")
        assert "without its beat" not in finding.description


def _view(surprise: float, fit: float, usual: float) -> ViewScore:
    return ViewScore(
        still=surprise,
        moved=0.0,
        fit=Fit(still=fit, best=fit, scale=1.0, soft=fit, soft_scale=1.0),
        usual=Usual(still=usual, best=usual, soft=usual),
        is_soft=False,
        is_plain=usual > 0.5,
    )


def _score(
    residual: ViewScore, pulse: ViewScore, both: ViewScore, shared: float = 0.0
) -> ClassScore:
    return ClassScore(residual, pulse, both, Shared(shared, 1.2))


@pytest.mark.parametrize(
    ("fit", "usual", "lacks"), [(0.8, 0.8, False), (0.3, 0.8, True), (0.05, 0.2, False)]
)
def test_a_pulse_is_missed_only_where_the_class_has_one(
    fit: float, usual: float, lacks: bool
) -> None:
    """Less than half of what its recordings reach, if that stands out."""
    lines = _view(9.0, 0.6, 0.6)
    score = _score(lines, _view(0.0, fit, usual), lines)
    assert score.lacks_pulse is lacks


def test_two_faint_witnesses_are_worth_more_than_either() -> None:
    """As a sum of independent logarithms is: by Fisher's product, written out."""
    faint, other = _view(4.0, 0.3, 0.3), _view(5.0, 0.3, 0.3)
    score = _score(faint, other, _view(0.0, 0.0, 0.3))
    rng = np.random.default_rng(0)
    sums = rng.exponential(size=(400_000, 2)).sum(axis=1)
    assert np.exp(-score.still) == pytest.approx((sums >= 9.0).mean(), rel=0.1)
    assert score.surprise > max(faint.surprise, other.surprise)


@pytest.mark.parametrize(("usual", "counts"), [(0.6, False), (0.3, True)])
def test_a_pulse_alone_ranks_at_another_scale_only_without_lines(
    usual: float, counts: bool
) -> None:
    """Any step is any other there, but some classes show nothing else."""
    lines, pulse = _view(0.0, 0.0, usual), _view(0.0, 0.6, 0.6)._replace(moved=8.0)
    score = _score(lines, pulse, _view(0.0, 0.0, 0.6))
    assert (score.rank > 0) is counts
    assert score.leading.moved == (8.0 if counts else 0.0)


def test_lines_at_another_scale_are_of_the_class_that_explains_most_of_them() -> None:
    """Not of the one that people's recordings resemble least; its scale is told."""
    none = _view(0.0, 0.0, 0.3)
    rare = _view(0.0, 0.4, 0.9)._replace(moved=13.0)
    own = _view(0.0, 0.5, 0.9)._replace(moved=7.0)
    scores = {
        "rare": _score(rare, none, none, 0.4),
        "own": _score(own, none, none, 0.5),
    }
    assert scores["rare"].rank > scores["own"].rank
    ranks = joining._ranks_moved(scores)
    top = scores["rare"].moved
    assert ranks == {"rare": pytest.approx(top * 0.8), "own": pytest.approx(top)}
    assert scores["own"].scale == 1.2


@pytest.mark.parametrize(("beat", "first"), [(30.0, "faint"), (2.0, "plain")])
def test_a_class_without_lines_is_first_only_where_it_fits_as_it_is(
    beat: float, first: str
) -> None:
    """Better than any lines do: else what has lines is of a class that has some."""
    none = _view(0.0, 0.0, 0.3)
    lines = _view(0.0, 0.5, 0.9)._replace(moved=9.0)
    scores = {
        "faint": _score(none, _view(beat, 0.3, 0.3), none, 0.9),
        "plain": _score(lines, none, none, 0.5),
    }
    ranks = joining._ranks_moved(scores)
    assert max(ranks, key=lambda name: ranks[name]) == first


@pytest.mark.parametrize(("moved", "fit"), [(3.0, 0.3), (30.0, 0.6)])
def test_classes_are_ordered_by_surprise_where_lines_are_sharp_or_none(
    moved: float, fit: float
) -> None:
    """Of what is sharp the scale is sure; music resembles any lines a little."""
    none = _view(0.0, 0.0, 0.3)
    weak = _view(0.0, fit, 0.9)._replace(moved=moved)
    scores = {
        "one": _score(weak, none, none, 0.2),
        "two": _score(none, none, none, 0.4),
    }
    assert joining._ranks_moved(scores) == {n: s.rank for n, s in scores.items()}


def test_half_of_the_false_alarms_is_kept_in_reserve() -> None:
    """Of ten recordings by people that may be accused, five are."""
    rng = np.random.default_rng(0)
    said = [Judged(surprise=0.0, p_traces=p).p_value for p in rng.random(20_000)]
    assert np.mean(np.array(said) <= 0.1) == pytest.approx(0.05, abs=0.005)
