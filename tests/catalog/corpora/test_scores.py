"""What is special to the `scores` corpus: its parts, limits and words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contrafact.catalog.corpora import CorpusSettings, _works, scores
from contrafact.catalog.corpora._notation import Note
from contrafact.catalog.corpora._passages import Passage
from contrafact.catalog.corpora._performances import perform, plan_performance
from contrafact.catalog.corpora._repertoire import REPERTOIRE
from contrafact.catalog.corpora._works import find_music21_corpus, tune_title
from contrafact.core.errors import CorpusError


def passage(seed: int = 0, *, work: str = "A Reel (O'Neill's)") -> Passage:
    """Return a scale of 20 notes in 8 s."""
    notes = tuple(Note(0.4 * i, 0.4, 60 + i, 0) for i in range(20))
    return Passage(
        work=work,
        notes=notes,
        bars=(5, 8),
        duration_s=8.0,
        key=(2, False),
        metre=(2, 2),
        seed=seed,
    )


def test_captions_say_what_is_heard() -> None:
    """Form, key, instrument, metre, pace and artist are in the caption."""
    reels = next(pool for pool in REPERTOIRE if pool.form == "reel")
    entry = plan_performance(reels, reels.ensembles[0], passage()).entry
    assert entry.artists == ("O'Neill's reels (fiddle)",)
    assert entry.title == "A Reel (O'Neill's), bars 5-8, fiddle"
    assert entry.caption == (
        "reel in d major for fiddle, duple time, moderate, "
        "in the style of o'neill's reels (fiddle)"
    )
    assert entry.caption_anonymous == (
        "a walking dance of running notes played on violin, in two, d major"
    )


def test_performances_of_one_passage_vary_with_its_seed() -> None:
    """Touch changes the audio, not its length; the file's name tells them apart."""
    reels = next(pool for pool in REPERTOIRE if pool.form == "reel")
    one, two = (plan_performance(reels, reels.ensembles[0], passage(s)) for s in (0, 1))
    assert one.entry.file != two.entry.file
    assert one.n_frames == two.n_frames == len(perform(one))
    assert not np.array_equal(perform(one), perform(two))


def test_parts_are_even_and_a_short_artist_leaves_its_part() -> None:
    """Turns go round all artists; who has no passage left is passed over."""
    drawn = [
        [passage(i) for i in range(5)],
        [passage(9)],
        [passage(i) for i in range(5)],
    ]
    shared = scores._share_out(drawn, 8, "recordings")
    artists = [performance.entry.artists[0] for performance in shared]
    assert sorted(artists.count(name) for name in set(artists)) == [1, 3, 4]


def test_asking_beyond_the_works_states_the_limit() -> None:
    """The error names what there is and what was asked for."""
    with pytest.raises(CorpusError, match=r"give 2 recordings, not 3.*Ask for 2"):
        scores._share_out([[passage()], [passage()]], 3, "recordings")


def test_drawing_goes_on_until_there_is_enough() -> None:
    """It is settled with enough, or when nobody gave all that was asked."""
    assert scores._is_settled([[passage()] * 2, [passage()]], 3, 2)
    assert not scores._is_settled([[passage()] * 2, [passage()]], 4, 2)
    assert scores._is_settled([[passage()], [passage()]], 4, 2)


def test_each_artist_has_its_part_of_the_whole() -> None:
    """48 recordings are two for each of 24 artists, and no two are alike."""
    train, heldout = scores._plan(
        find_music21_corpus(), CorpusSettings(n_recordings=48, n_workers=1)
    )
    artists = [performance.entry.artists[0] for performance in train]
    assert {artists.count(name) for name in artists} == {2}
    assert len({performance.entry.file for performance in train}) == 48
    assert heldout == []


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("KERRY COBBLER, The.", "The Kerry Cobbler"),
        ("T:Beebe's -- Hornpipe", "Beebe's"),
        ("Miss O'neill - Jig", "Miss O'Neill"),
        ("Rocky Road to Dublin", "Rocky Road To Dublin"),
    ],
)
def test_titles_are_tidied(raw: str, title: str) -> None:
    """Articles come first, forms are dropped, capitals are even."""
    assert tune_title(raw) == title


def test_missing_works_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without music21 the error holds the command that helps."""
    monkeypatch.setattr(_works.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CorpusError, match="pip install music21"):
        find_music21_corpus()


def test_slow_packages_are_not_imported() -> None:
    """Importing the corpora and finding the works imports no slow package."""
    code = (
        "import sys; from contrafact.catalog.corpora._works import *; "
        "from contrafact.catalog.corpora._synth import *; "
        "find_music21_corpus(); find_soundfont(); "
        "print({'music21', 'pretty_midi', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(scores.__file__).parents[3])},
    )
    assert done.stdout.strip() == "set()"
