"""That works are cut into passages that never overlap nor leak."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from contrafact.catalog.corpora._passages import Passage, draw_passages
from contrafact.catalog.corpora._repertoire import REPERTOIRE, Ensemble, Pool
from contrafact.catalog.corpora._works import find_works

DUO = (
    Ensemble(name="fiddle", plain="violin", programs=(40,)),
    Ensemble(name="flute", plain="breath", programs=(73,)),
)


def pool(**changes: object) -> Pool:
    """Return a pool of reels for two ensembles."""
    values: dict[str, object] = {
        "group": "Tests",
        "label": "test",
        "source": "Test",
        "form": "reel",
        "plain_form": "dance",
        "paths": "*.abc",
        "pattern": "reel",
        "title": "Test Book",
        "tempo": 120.0,
        "per_round": 2,
        "ensembles": DUO,
    }
    return Pool(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder with a book of twelve reels of 24 bars each, and a jig."""
    bars = "|".join("CDEF GABc" for _ in range(24))
    tunes = [f"X:{i}\nT:Tune {i}\nR:reel\nL:1/8\nK:C\n{bars}|]\n" for i in range(12)]
    jig = f"X:99\nT:A Jig\nR:jig\nL:1/8\nK:C\n{bars}|]\n"
    (tmp_path / "book.abc").write_text("\n".join([*tunes, jig]))
    return tmp_path


def by_work(passages: list[Passage]) -> dict[str, list[tuple[int, int]]]:
    """Return the bars of the passages of each work, in order."""
    found = defaultdict(list)
    for passage in passages:
        found[passage.work].append(passage.bars)
    return {work: sorted(bars) for work, bars in found.items()}


def test_passages_do_not_overlap(corpus: Path) -> None:
    """Over all ensembles, each bar of a work is in one passage at most."""
    train, _ = draw_passages(corpus, pool(), n_train=99, n_heldout=0, seed=0)
    for bars in by_work([p for own in train for p in own]).values():
        assert all(a[1] < b[0] for a, b in pairwise(bars))
    assert all(8 <= p.duration_s <= 10 for own in train for p in own)


def test_no_work_is_in_training_and_held_out(corpus: Path) -> None:
    """Works kept for evaluation give no passage for training, however many."""
    train, heldout = draw_passages(corpus, pool(), n_train=99, n_heldout=99, seed=0)
    trained = {p.work for own in train for p in own}
    kept = {p.work for own in heldout for p in own}
    assert len(kept) == 2
    assert not trained & kept
    assert len(trained | kept) == 12


def test_asking_for_more_keeps_what_was_there(corpus: Path) -> None:
    """More passages, or held-out ones, leave the first passages as they were."""
    few, _ = draw_passages(corpus, pool(), n_train=3, n_heldout=0, seed=5)
    many, _ = draw_passages(corpus, pool(), n_train=9, n_heldout=4, seed=5)
    assert [own[:3] for own in many] == few


def test_the_seed_changes_the_choice(corpus: Path) -> None:
    """Another seed takes other works first."""
    one, _ = draw_passages(corpus, pool(), n_train=3, n_heldout=0, seed=1)
    two, _ = draw_passages(corpus, pool(), n_train=3, n_heldout=0, seed=2)
    assert one != two


def test_ensembles_share_passages_only_if_told(corpus: Path) -> None:
    """Sharing gives every ensemble the same passages."""
    shared = pool(shares_passages=True)
    train, _ = draw_passages(corpus, shared, n_train=5, n_heldout=0, seed=0)
    assert train[0] == train[1]
    apart, _ = draw_passages(corpus, pool(), n_train=5, n_heldout=0, seed=0)
    assert not {(p.work, p.bars) for p in apart[0]} & {
        (p.work, p.bars) for p in apart[1]
    }


def test_notes_lie_inside_the_passage(corpus: Path) -> None:
    """All notes start at or after 0 and end by the end, in seconds."""
    train, _ = draw_passages(corpus, pool(), n_train=4, n_heldout=0, seed=0)
    for passage in train[0]:
        assert passage.notes[0].start == 0
        last = max(note.start + note.length for note in passage.notes)
        assert last == pytest.approx(passage.duration_s, abs=0.002)


def test_only_the_form_that_is_asked_for_is_found(corpus: Path) -> None:
    """A pool of reels finds no jig."""
    titles = [work.title for work in find_works(corpus, pool())]
    assert len(titles) == 12
    assert "A Jig (Test Book)" not in titles


def test_a_second_setting_of_a_tune_is_left_out(corpus: Path) -> None:
    """A title stands for one work, however often a book repeats it."""
    again = "X:1\nT:TUNE 3\nR:reel\nK:C\nC|\n"
    (corpus / "more.abc").write_text(again)
    assert len(find_works(corpus, pool())) == 12


def test_the_repertoire_is_as_documented() -> None:
    """24 artists in nine collections under six labels, no artist twice."""
    artists = [f"{p.source} ({e.name})" for p in REPERTOIRE for e in p.ensembles]
    assert len(artists) == len(set(artists)) == 24
    assert len({p.group for p in REPERTOIRE}) == 9
    assert len({p.label for p in REPERTOIRE}) == 6
