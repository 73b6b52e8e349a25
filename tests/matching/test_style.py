from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from contrafact.core.errors import MatchIndexError
from contrafact.matching.style import SAMPLE_RATE, StyleIndex, style_profile

Samples = np.ndarray


def _sound(rng: np.random.Generator, *, kind: int, seconds: float = 2.0) -> Samples:
    """Return a beat with a colour of sound of its own; kinds differ, takes little."""
    own = np.random.default_rng(kind)
    n = round(seconds * SAMPLE_RATE)
    period = int(SAMPLE_RATE * own.uniform(0.15, 0.6))
    envelope = np.exp(
        -((np.arange(n) % period) / (SAMPLE_RATE * own.uniform(0.02, 0.3)))
    )
    noise = rng.standard_normal(n)
    sound = sum(_resonance(noise, hz) for hz in own.uniform(150, 6_000, 3))
    return (0.1 * sound * envelope).astype(np.float32)


def _resonance(noise: Samples, hz: float) -> Samples:
    pole = 0.97 * np.exp(2j * np.pi * hz / SAMPLE_RATE)
    return lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], noise)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an index of 30 kinds of sound; not to be written to."""
    folder = tmp_path_factory.mktemp("style") / "style"
    made, rng = StyleIndex.create(folder), np.random.default_rng(1)
    for kind in range(30):
        made.add(f"R-{kind:02}", f"W-{kind:02}", _sound(rng, kind=kind))
    return folder


@pytest.fixture
def index(built: Path, tmp_path: Path) -> StyleIndex:
    """A copy of that index."""
    return StyleIndex.open(shutil.copytree(built, tmp_path / "style"))


def test_another_take_of_a_style_is_most_alike_with_it(
    index: StyleIndex, rng: np.random.Generator
) -> None:
    """New noise of the same kind ranks its own kind first."""
    for kind in (3, 11, 25):
        found = index.similarities(_sound(rng, kind=kind))
        assert max(found, key=lambda name: found[name]) == f"R-{kind:02}"


def test_the_p_value_is_that_of_unrelated_recordings(
    index: StyleIndex, rng: np.random.Generator
) -> None:
    """The right one gets the least p-value that 29 others allow."""
    best = index.identify(_sound(rng, kind=11), max_p=0.05)[0]
    assert (best.recording_id, best.p_value) == ("R-11", pytest.approx(1 / 30))


def test_loudness_does_not_matter(rng: np.random.Generator) -> None:
    """The profile is the same 30 dB below."""
    sound = _sound(rng, kind=4)
    loud, quiet = style_profile(sound), style_profile(0.03 * sound)
    assert loud is not None
    assert quiet is not None
    np.testing.assert_allclose(loud, quiet, atol=0.02)


@pytest.mark.parametrize("samples", [np.zeros(64_000), np.ones(10)], ids=["0", "1"])
def test_what_cannot_be_heard_is_like_nothing(
    index: StyleIndex, samples: Samples
) -> None:
    """Silence and a few samples match nothing, and may be in the index."""
    index.add("R-silent", "W-silent", samples.astype(np.float32))
    assert index.identify(samples.astype(np.float32)) == ()
    assert "R-silent" in index.recording_ids
    assert "R-silent" not in index.heard_ids


def test_a_small_catalog_makes_nothing_certain(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Nine others cannot show that one in twenty is as alike."""
    small = StyleIndex.create(tmp_path)
    for kind in range(10):
        small.add(f"R-{kind}", f"W-{kind}", _sound(rng, kind=kind))
    assert small.identify(_sound(rng, kind=3)) == ()


def test_recordings_come_and_go(index: StyleIndex, rng: np.random.Generator) -> None:
    """What was deleted is gone, also for who opens it anew; the rest stays."""
    index.delete("R-05")
    index.delete("R-never")
    again = StyleIndex.open(index._path.parent)
    assert len(again.recording_ids) == 29
    assert "R-05" not in again.similarities(_sound(rng, kind=5))


def test_the_panel_does_not_know_its_own_work(index: StyleIndex) -> None:
    """Each row has one score of -1: that of the recording that asks."""
    panel = index.panel(8)
    assert panel.shape == (8, 30)
    assert ((panel == -1.0).sum(1) == 1).all()


def test_a_damaged_or_missing_index_is_named(tmp_path: Path) -> None:
    """The error says what to do, and is of its kind."""
    with pytest.raises(MatchIndexError, match="no index of style"):
        StyleIndex.open(tmp_path)
    (tmp_path / "style.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(MatchIndexError, match="Delete it"):
        StyleIndex.open(tmp_path)
