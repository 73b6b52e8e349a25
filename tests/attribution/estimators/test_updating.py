"""An index taken over for a catalog that changed equals one built anew."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import no_progress
from contrafact.attribution.estimators.updating import update_index, window_names
from contrafact.core.errors import IndexMismatchError, NotFittedError
from contrafact.generators.latents import LatentSet

# Windows are computed two at a time: in other company a few of the eight-bit features
# round to the neighbour.
ROUNDED = 1e-2


def some(train: LatentSet, rows: list[int]) -> LatentSet:
    """The windows in these rows."""
    windows, latents = train.windows, train.latents
    return LatentSet(tuple(windows[i] for i in rows), tuple(latents[i] for i in rows))


@pytest.fixture(params=[0, 6], ids=["numbers", "components"])
def make(settings_of, request):
    """Make a small index, of numbers as they are and in components."""
    settings = settings_of("index") | {"n_components": request.param}
    return lambda: make_estimator("index", **settings)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (range(20), [*range(3), *range(4, 18)]),  # deleted
        ([*range(5), *range(6, 20)], range(20)),  # added in the middle
        (range(4, 20), range(16)),  # both
    ],
    ids=["deleted", "added", "both"],
)
def test_taken_over_equals_built_anew(
    make, task, corpus_of, queries, tmp_path: Path, before, now
):
    """With the same factors and components, scores and overlap are the same."""
    whole = corpus_of(19)
    was = replace(task, train=some(whole, list(before)))
    is_now = replace(task, train=some(whole, list(now)))
    make().fit(was, tmp_path / "old", progress=no_progress)
    n_new = []
    found = update_index(
        make(), is_now, tmp_path / "new",
        source=tmp_path / "old", before=was.train,
        progress=lambda done, total: n_new.append(total - done),
    )  # fmt: skip
    (tmp_path / "anew").mkdir()
    for name in ("factors.safetensors", "components.safetensors"):
        if (tmp_path / "old" / name).exists():
            shutil.copy(tmp_path / "old" / name, tmp_path / "anew")
    anew = make().fit(is_now, tmp_path / "anew", progress=no_progress)
    a, b = found.score(queries), anew.score(queries)
    assert a.recording_ids == b.recording_ids == is_now.train.recording_ids
    largest = b.values.abs().max()
    assert (a.values - b.values).abs().max() <= ROUNDED * largest
    assert torch.allclose(a.overlap.hat, b.overlap.hat, atol=ROUNDED)
    assert n_new[0] < len(now) / 2, "most shards are taken over"
    again = make().open(is_now, tmp_path / "new").score(queries)
    assert torch.equal(again.values, a.values)


def test_an_index_of_another_catalog_is_not_taken_over(
    make, task, corpus_of, tmp_path: Path
):
    """What it holds would be passed off as features of something else."""
    make().fit(task, tmp_path / "old", progress=no_progress)
    with pytest.raises(IndexMismatchError, match="another corpus"):
        update_index(
            make(), task, tmp_path / "new",
            source=tmp_path / "old", before=corpus_of(5), progress=no_progress,
        )  # fmt: skip
    with pytest.raises(NotFittedError, match="no index"):
        update_index(
            make(), task, tmp_path / "new",
            source=tmp_path / "nowhere", before=task.train, progress=no_progress,
        )  # fmt: skip


def test_a_window_that_changed_has_another_name(train: LatentSet):
    """Caption, place and sound all count."""
    first, latents = train.windows[0], train.latents[0]
    others = [
        (replace(first, caption="else"), latents),
        (replace(first, start_s=9.0), latents),
        (first, latents + 1e-6),
    ]
    names = {window_names(LatentSet((w,), (x,)))[0] for w, x in others}
    assert len(names | {window_names(train)[0]}) == 4


def test_a_catalog_that_outgrows_its_numbers_gets_components(
    settings_of, task, corpus_of, queries, tmp_path: Path
):
    """As if the index had been built anew with the same factors."""
    settings = settings_of("index") | {"n_components": 15}

    def make():
        return make_estimator("index", **settings)

    whole = corpus_of(19)
    was = replace(task, train=some(whole, list(range(10))))
    is_now = replace(task, train=whole)
    make().fit(was, tmp_path / "old", progress=no_progress)
    found = update_index(
        make(), is_now, tmp_path / "new",
        source=tmp_path / "old", before=was.train, progress=no_progress,
    )  # fmt: skip
    (tmp_path / "anew").mkdir()
    shutil.copy(tmp_path / "old" / "factors.safetensors", tmp_path / "anew")
    anew = make().fit(is_now, tmp_path / "anew", progress=no_progress)
    assert not (tmp_path / "old" / "components.safetensors").exists()
    assert (tmp_path / "new" / "components.safetensors").exists()
    assert not (tmp_path / "new" / "numbers").exists()
    a, b = found.score(queries).values, anew.score(queries).values
    assert (a - b).abs().max() <= ROUNDED * b.abs().max()


@pytest.mark.parametrize(
    ("n_components", "n_before"), [(0, 16), (6, 16), (15, 10)],
    ids=["numbers", "components", "outgrown"],
)  # fmt: skip
def test_a_stopped_takeover_goes_on_to_the_same_bytes(
    settings_of, task, corpus_of, tmp_path: Path, n_components: int, n_before: int
):
    """Stopped at the first window, and at the next, then finished: as if never."""
    settings = settings_of("index") | {"n_components": n_components}
    whole = corpus_of(19)
    was = replace(task, train=some(whole, list(range(n_before))))
    is_now = replace(task, train=some(whole, list(range(2, 20))))

    def make():
        return make_estimator("index", **settings)

    def update(name, progress):
        update_index(
            make(), is_now, tmp_path / name,
            source=tmp_path / "old", before=was.train, progress=progress,
        )  # fmt: skip

    make().fit(was, tmp_path / "old", progress=no_progress)
    before = {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()}
    for n_told in (1, 2, 2):
        told = []

        def stop(*now, n_told=n_told, told=told):
            told.append(now)
            if len(told) == n_told:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            update("stopped", stop)
        with pytest.raises(NotFittedError):
            make().open(is_now, tmp_path / "stopped")
    update("stopped", no_progress)
    update("at once", no_progress)
    found = [
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
        for name in ("stopped", "at once")
    ]
    assert found[0] == found[1]
    assert {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()} == before
