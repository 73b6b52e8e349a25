from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contrafact.core.errors import TrainingError
from contrafact.generators.latents import LatentSet, LatentWindow, cut_windows


def _window(recording: str, **changes: str) -> LatentWindow:
    return LatentWindow(recording_id=recording, start_s=0.0, **changes)


def _set(*lengths: int) -> LatentSet:
    latents = [torch.full((2, n), float(i)) for i, n in enumerate(lengths)]
    windows = [_window(f"r{i // 2}") for i in range(len(lengths))]
    return LatentSet(tuple(windows), tuple(latents))


@given(n_tokens=st.integers(1, 200), max_tokens=st.integers(1, 50))
def test_windows_cover_every_token_once(n_tokens: int, max_tokens: int) -> None:
    """Joined again, windows are the recording; none is longer than allowed."""
    latents = torch.arange(2.0 * n_tokens).reshape(2, n_tokens)
    windows = cut_windows(latents, max_tokens=max_tokens)
    assert torch.equal(torch.cat([part for _, part in windows], dim=-1), latents)
    for first, part in windows:
        assert torch.equal(part, latents[:, first : first + part.shape[-1]])
    lengths = [part.shape[-1] for _, part in windows]
    assert 1 <= min(lengths) <= max(lengths) <= min(max_tokens, min(lengths) + 1)


@pytest.mark.parametrize(("n_tokens", "max_tokens"), [(0, 4), (4, 0)])
def test_cutting_nothing_is_refused(n_tokens: int, max_tokens: int) -> None:
    """No token, and no room for one, are each an error."""
    with pytest.raises(TrainingError, match="at least 1"):
        cut_windows(torch.zeros(2, n_tokens), max_tokens=max_tokens)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: LatentSet(s.windows, (s.latents[0] + 1e-3, *s.latents[1:])),
        lambda s: LatentSet((_window("other"), *s.windows[1:]), s.latents),
        lambda s: LatentSet((_window("r0", caption="x"), *s.windows[1:]), s.latents),
        lambda s: LatentSet(s.windows[::-1], s.latents[::-1]),
        lambda s: LatentSet(s.windows, tuple(row.reshape(4, 3) for row in s.latents)),
        lambda s: s.without(["r1"]),
    ],
    ids=["latents", "recording", "caption", "order", "shape", "fewer"],
)
def test_digest_follows_the_content(change: object) -> None:
    """Whatever changes in a set changes its digest; a copy has the same."""
    base = _set(6, 6, 6, 6)
    assert base.digest == _set(6, 6, 6, 6).digest
    assert change(base).digest != base.digest  # type: ignore[operator]


def test_without_takes_out_all_windows_of_a_recording() -> None:
    """The other recordings keep their windows, latents and order."""
    left = _set(3, 4, 5, 6, 7).without(["r1"])
    assert left.recording_ids == ("r0", "r2")
    assert left.n_tokens(range(len(left))) == [3, 4, 7]
    with pytest.raises(TrainingError, match="at least one window"):
        left.without(["r0", "r2"])


def test_batch_pads_rows_to_the_longest() -> None:
    """A batch holds the rows asked for, in the order asked for."""
    batch = _set(3, 4, 5).batch([2, 0])
    assert batch.n_tokens == (5, 3)
    assert batch.latents[:, 0, 0].tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    "latents",
    [
        (torch.zeros(2, 3),),
        (torch.zeros(2, 3), torch.zeros(3, 3)),
        (torch.zeros(2), torch.zeros(2)),
    ],
    ids=["too few", "other channels", "one axis"],
)
def test_rows_that_do_not_go_together_are_refused(latents: tuple[Tensor, ...]) -> None:
    """A set is refused before anything is trained on it."""
    with pytest.raises(TrainingError):
        LatentSet((_window("a"), _window("b")), latents)
