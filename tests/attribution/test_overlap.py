"""Leaving out several recordings at once, against the matrix without them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from contrafact.attribution.overlap import Overlap

EXACT = 1e-9
N_TRAIN, N_FEATURES = 12, 30
FLOOR = 0.05


@pytest.fixture
def features() -> Tensor:
    """Features of a corpus in which 0 and 1 are nearly twins, `(n_train, f)`."""
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(N_TRAIN, N_FEATURES, generator=rng, dtype=torch.float64)
    rows[1] = rows[0] + 0.1 * rows[1]
    return rows


@pytest.fixture
def query(features: Tensor) -> Tensor:
    """A song that owes most to the twins, `(f,)`."""
    return features[0] + 0.3 * features[5]


def _inverse(features: Tensor) -> Tensor:
    fisher = features.T @ features / N_TRAIN
    return torch.linalg.inv(fisher + FLOOR * torch.eye(N_FEATURES))


def _overlap(features: Tensor) -> Overlap:
    hat = features @ _inverse(features) @ features.T / N_TRAIN
    names = tuple(f"R-{i}" for i in range(N_TRAIN))
    return Overlap(names, hat, torch.ones(N_TRAIN))


def _scores(features: Tensor, query: Tensor) -> Tensor:
    return query @ _inverse(features) @ features.T / N_TRAIN


def _slowly(features: Tensor, query: Tensor, left_out: list[int]) -> float:
    """The step that leaves them out, by the Fisher matrix of what remains."""
    rest = [i for i in range(N_TRAIN) if i not in left_out]
    fisher = features[rest].T @ features[rest] / N_TRAIN
    inverse = torch.linalg.inv(fisher + FLOOR * torch.eye(N_FEATURES))
    return float(query @ inverse @ features[left_out].sum(0) / N_TRAIN)


@pytest.mark.parametrize("left_out", [[3], [0, 1], [2, 5, 7, 8], list(range(11))])
def test_weighted_scores_are_the_effect_of_leaving_out_together(
    features: Tensor, query: Tensor, left_out: list[int]
) -> None:
    """One recording, twins, some, and nearly all."""
    scores = _scores(features, query)
    weights = _overlap(features).weights({f"R-{i}": 1.0 for i in left_out})
    found = sum(float(scores[i]) * weights[f"R-{i}"] for i in left_out)
    assert found == pytest.approx(_slowly(features, query, left_out), rel=EXACT)


def test_without_trust_influences_add_up(features: Tensor) -> None:
    """Every score counts as it is; with full trust the two ends differ."""
    overlap = _overlap(features)
    parts = {"R-0": 1.0, "R-1": 0.5}
    assert overlap.weights(parts, trust=0.0) == pytest.approx(parts)
    assert overlap.weights(parts) != pytest.approx(parts)


def test_twins_count_for_more_together_than_apart(
    features: Tensor, query: Tensor
) -> None:
    """Each alone is made up for by the other."""
    overlap, scores = _overlap(features), _scores(features, query)

    def effect(*rows: int) -> float:
        weights = overlap.weights({f"R-{i}": 1.0 for i in rows})
        return sum(float(scores[i]) * weights[f"R-{i}"] for i in rows)

    assert effect(0, 1) > 3 * (effect(0) + effect(1))


def test_what_is_chosen_together_is_found_by_trying_all(
    features: Tensor, query: Tensor
) -> None:
    """Each step adds the recording with which the effect is largest."""
    overlap, scores = _overlap(features), _scores(features, query)
    wanted: list[int] = []
    for _ in range(4):
        rest = [i for i in range(N_TRAIN) if i not in wanted]
        wanted.append(max(rest, key=lambda i: _slowly(features, query, [*wanted, i])))
    assert overlap.leave_out_most(scores, 4) == [f"R-{i}" for i in wanted]


def test_no_more_than_all_are_chosen(features: Tensor, query: Tensor) -> None:
    """Asked for too many, every recording is named once."""
    chosen = _overlap(features).leave_out_most(_scores(features, query), 99)
    assert sorted(chosen) == sorted(f"R-{i}" for i in range(N_TRAIN))


def test_like_windows_of_one_recording_are_exact(features: Tensor) -> None:
    """A recording of two like windows is left out as both of them."""
    windows = torch.cat([features[:1], features])  # the first recording twice
    inverse = torch.linalg.inv(
        windows.T @ windows / len(windows) + FLOOR * torch.eye(N_FEATURES)
    )
    sums = features.clone()
    sums[0] *= 2
    counts = torch.ones(N_TRAIN, dtype=torch.float64)
    counts[0] = 2
    scaled = sums / counts.sqrt()[:, None]
    hat = scaled @ inverse @ scaled.T / len(windows)
    overlap = Overlap(tuple(f"R-{i}" for i in range(N_TRAIN)), hat, counts)
    query = features[0] + features[3]
    scores = query @ inverse @ sums.T / len(windows)
    weights = overlap.weights({"R-0": 1.0, "R-4": 1.0})
    found = float(scores[0]) * weights["R-0"] + float(scores[4]) * weights["R-4"]
    rest = [i for i in range(len(windows)) if i not in (0, 1, 5)]
    left = windows[rest].T @ windows[rest] / len(windows)
    left_inverse = torch.linalg.inv(left + FLOOR * torch.eye(N_FEATURES))
    wanted = query @ left_inverse @ (windows[[0, 1, 5]].sum(0)) / len(windows)
    assert found == pytest.approx(float(wanted), rel=EXACT)


@pytest.fixture
def copied(features: Tensor) -> Tensor:
    """The corpus with 3 three times: rows 3, 7 and 9 are the same."""
    rows = features.clone()
    rows[[7, 9]] = rows[3].clone()
    return rows


@pytest.mark.parametrize("trust", [0.0, 0.5, 1.0])
def test_copies_have_the_influence_that_one_of_them_would_have(
    copied: Tensor, query: Tensor, trust: float
) -> None:
    """As in a corpus without the other two, alone and together with others."""
    one = copied.clone()
    one[[7, 9]] = 0
    hat = one @ _inverse(one) @ one.T / N_TRAIN
    scores = query @ _inverse(one) @ one.T / N_TRAIN
    for others in ([], [2, 5]):
        rows = [3, *others]
        rest = torch.eye(len(rows)) - trust * hat[rows][:, rows]
        ones = torch.ones(len(rows), dtype=torch.float64)
        wanted = float(scores[rows] @ torch.linalg.solve(rest, ones))
        parts = {f"R-{i}": 1.0 for i in [3, 7, 9, *others]}
        overlap = replace(_overlap(copied), trust=trust)
        found = _sum(overlap.shared_weights(parts), _scores(copied, query))
        assert found == pytest.approx(wanted, rel=1e-6)


def test_each_copy_has_an_equal_part(copied: Tensor, query: Tensor) -> None:
    """Three copies by three artists: a third each, whichever came first."""
    overlap, scores = _overlap(copied), _scores(copied, query)
    each = [_sum(overlap.shared_weights({f"R-{i}": 1.0}), scores) for i in (3, 7, 9)]
    every = _sum(overlap.shared_weights({f"R-{i}": 1.0 for i in (3, 7, 9)}), scores)
    # Parts of one recording add up: there is nothing else to leave out.
    assert each == pytest.approx([every / 3] * 3)


def test_without_copies_nothing_is_shared(features: Tensor) -> None:
    """Weights are those of leaving out."""
    overlap, parts = _overlap(features), {"R-0": 1.0, "R-1": 0.5, "R-8": 1.0}
    assert overlap.shared_weights(parts) == pytest.approx(overlap.weights(parts))


def test_near_copies_share_where_their_sound_says_so(
    features: Tensor, query: Tensor
) -> None:
    """As in a corpus without the second twin, and half of it each."""
    one = features.clone()
    one[1] = 0
    alone = float((query @ _inverse(one) @ one.T / N_TRAIN)[0])
    scores = _scores(features, query)
    same = {"R-0": "cluster", "R-1": "cluster", "R-99": "cluster", "R-4": "other"}
    overlap = replace(_overlap(features), trust=0.0, same_sound=same)
    both = _sum(overlap.shared_weights({"R-0": 1.0, "R-1": 1.0}), scores)
    assert both == pytest.approx(alone)
    for twin in ("R-0", "R-1"):
        found = _sum(overlap.shared_weights({twin: 1.0}), scores)
        assert found == pytest.approx(alone / 2)


def test_what_is_alike_is_no_copy(features: Tensor) -> None:
    """The nearly twins are two recordings; copies of copies are one."""
    rows = features.clone()
    rows[[4, 6]] = rows[8].clone()
    first, count = _overlap(rows).copies
    assert first.tolist() == [0, 1, 2, 3, 4, 5, 4, 7, 4, 9, 10, 11]
    assert count.tolist() == [1, 1, 1, 1, 3, 1, 3, 1, 3, 1, 1, 1]


def _sum(weights: dict[str, float], scores: Tensor) -> float:
    return sum(float(scores[int(r[2:])]) * weight for r, weight in weights.items())
