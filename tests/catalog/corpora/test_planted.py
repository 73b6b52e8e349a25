"""That the truth of the `planted` corpus is the truth about its audio."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog.corpora import CORPORA, CorpusSettings
from contrafact.catalog.corpora._planted_music import plan_heldout, plan_training
from contrafact.catalog.corpora._planted_roster import (
    ARTISTS,
    MOTIF_STEPS,
    N_TRAINED,
)
from contrafact.catalog.corpora._planted_sound import sound
from contrafact.catalog.corpora.base import SAMPLE_RATE

N_ENOUGH = 24 * 14  # every kind of recording occurs for every artist


def test_motifs_are_unlike_one_another() -> None:
    """No two motifs of any artists are alike, and each fills its slot."""
    motifs = [motif for artist in ARTISTS for motif in artist.motifs]
    assert len({(m.degrees, m.lengths) for m in motifs}) == len(motifs)
    assert all(sum(motif.lengths) == MOTIF_STEPS for motif in motifs)


def test_artists_of_a_collection_differ_in_timbre() -> None:
    """Within a collection no timbre repeats; no two artists share a register's."""
    for name in {artist.collection.name for artist in ARTISTS}:
        own = [a.timbre.name for a in ARTISTS if a.collection.name == name]
        assert len(set(own)) == len(own) == 3
    assert len({(a.timbre.name, a.register) for a in ARTISTS}) == len(ARTISTS)


def test_covers_are_of_works_that_are_there() -> None:
    """A cover names a file of the corpus with the same work by its composer."""
    plans = {plan.file: plan for plan in plan_training(N_ENOUGH, 0)}
    covers = [plan for plan in plans.values() if plan.covers]
    assert len(covers) == 2 * N_TRAINED
    for cover in covers:
        original = plans[cover.covers or ""]
        assert original.work == cover.work
        assert original.artist == cover.composer
        assert original.player.collection != cover.player.collection
        n_common = min(len(original.slots), len(cover.slots))
        assert original.slots[:n_common] == cover.slots[:n_common]
        assert original.tonic != cover.tonic


def test_near_duplicates_are_the_same_performance() -> None:
    """A copy has the sound of its original but for the level and faint noise."""
    plans = {plan.file: plan for plan in plan_training(N_ENOUGH, 0)}
    copies = [plan for plan in plans.values() if plan.duplicates]
    assert len(copies) == N_TRAINED
    copy, original = sound(copies[0]), sound(plans[copies[0].duplicates or ""])
    assert not np.array_equal(copy, original)
    assert np.corrcoef(copy, original)[0, 1] > 0.99
    assert np.abs(copy).max() < 0.6 * np.abs(original).max()


def test_a_motif_sounds_where_the_truth_says() -> None:
    """Between two recordings that differ in one slot, only that time differs."""
    plan = plan_training(24, 0)[2]  # plucked, so that notes die away
    artist, motif, degree = plan.slots[2]
    slots = list(plan.slots)
    slots[2] = (artist, (motif + 1) % 4, degree)
    changed = type(plan)(
        artist=plan.artist,
        composer=plan.composer,
        slots=tuple(slots),
        work=plan.work,
        tempo=plan.tempo,
        tonic=plan.tonic,
    )
    before, after = sound(plan), sound(changed)
    _, _, start_s, end_s = list(plan.motifs())[2]
    # `finish` sets the level of the whole, so levels are compared, not frames.
    gain = np.sqrt(np.mean(before[:8000] ** 2) / np.mean(after[:8000] ** 2))
    difference = np.abs(before - gain * after)
    start, end = round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
    assert difference[: start - 1].max() < 1e-3
    assert difference[start:end].max() > 0.05
    assert difference[end + SAMPLE_RATE // 5 :].max() < 1e-3


def test_quotes_of_other_artists_are_planted() -> None:
    """Some recordings hold a motif of another collection, named in the truth."""
    plans = plan_training(N_ENOUGH, 0)
    quoting = [p for p in plans if {slot[0] for slot in p.slots} != {p.composer}]
    assert 0.1 < len(quoting) / len(plans) < 0.3
    for plan in quoting:
        lender = next(slot[0] for slot in plan.slots if slot[0] != plan.composer)
        assert any(m.name.startswith(ARTISTS[lender].name) for m, *_ in plan.motifs())
        assert ARTISTS[lender].collection != ARTISTS[plan.composer].collection


def test_held_out_recordings_are_of_unseen_works() -> None:
    """A quarter is by artists never trained on; no work is in training."""
    heldout = plan_heldout(40, 0)
    train = plan_training(N_ENOUGH, 0)
    assert not {p.work for p in heldout} & {p.work for p in train}
    assert sum(not p.player.is_trained for p in heldout) == 10
    assert len({p.player.name for p in heldout if not p.player.is_trained}) == 3
    assert all(p.player.is_trained for p in train)
    assert len({p.file for p in heldout}) == 40


@pytest.mark.parametrize("n_recordings", [24, 100, 513])
def test_artists_have_equal_parts(n_recordings: int) -> None:
    """The number asked for is spread as evenly as can be."""
    plans = plan_training(n_recordings, 1)
    sizes = [sum(p.artist == i for p in plans) for i in range(N_TRAINED)]
    assert sum(sizes) == n_recordings
    assert max(sizes) - min(sizes) <= 1
    assert len({p.file for p in plans}) == n_recordings


def test_truth_covers_every_file(tmp_path: Path) -> None:
    """`truth.json` has an entry for each file, with motifs up to its end."""
    settings = CorpusSettings(n_recordings=24, n_heldout=4, n_workers=1)
    CORPORA["planted"].write(tmp_path, settings)
    truth = json.loads((tmp_path / "truth.json").read_text())["recordings"]
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.flac")}
    assert set(truth) == files
    for file, entry in truth.items():
        info = soundfile.info(tmp_path / file)
        assert entry["motifs"][-1]["end_s"] == pytest.approx(info.duration, abs=1e-3)
        assert entry["artist"] == Path(file).name.split("-")[0]
