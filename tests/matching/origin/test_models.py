from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch

from contrafact.generators import Generator, load_generator
from contrafact.matching.origin import reconstruction
from contrafact.matching.origin.likelihood import likelihood_scores, mean_loss
from contrafact.matching.origin.reconstruction import reconstruction_score
from contrafact.workflows.models import SHIPPED

Music = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> Generator:
    """Return the model that comes with contrafact."""
    return load_generator(SHIPPED)


def _made(model: Generator, samples: Any) -> Any:
    with torch.inference_mode():
        audio = torch.from_numpy(samples)[None, None]
        return model.decode(model.encode(audio))[0, 0].numpy()


@pytest.mark.parametrize("cut", [0, 700, 1_301])
def test_a_codec_loses_less_where_its_frames_were(
    model: Generator, music: Music, cut: int
) -> None:
    """Wherever the sound was cut; of other sound it loses as much everywhere."""
    samples = music(1, 5.0)
    made = np.ascontiguousarray(_made(model, samples)[cut:])
    assert reconstruction_score(model, made) > 0.04
    assert 0 <= reconstruction_score(model, samples) < 0.02


def test_a_codec_that_is_run_to_the_sound_knows_its_frames_as_well(
    model: Generator, music: Music, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the protocol of generators alone, as any model's codec is asked."""
    monkeypatch.setattr(reconstruction, "_SLOW_LENGTH_S", 1.0)
    asked = cast(Generator, _Closed(model))
    samples = music(1, 5.0)
    made = np.ascontiguousarray(_made(model, samples)[700:])
    assert reconstruction_score(asked, made) > 2 * reconstruction_score(asked, samples)


def test_what_rises_evenly_over_the_places_is_no_dip() -> None:
    """A note at the end of what is heard is not the place of a decoder's frames."""
    rising = np.linspace(0.0, 0.2, 16)
    assert reconstruction._dip(rising) == pytest.approx(0.0, abs=1e-9)
    dipped = rising - 0.1 * (np.arange(16) == 8)
    assert reconstruction._dip(dipped) == pytest.approx(0.1, abs=0.02)


class _Closed:
    """A model that shows nothing of its codec."""

    n_channels = 1

    def __init__(self, model: Generator) -> None:
        self.encode, self.decode = model.encode, model.decode
        self.sample_rate, self.token_rate_hz = model.sample_rate, model.token_rate_hz


def test_losses_are_on_common_draws(model: Generator, music: Music) -> None:
    """The same recording has the same loss; one candidate is its own measure."""
    samples = music(2, 5.0)
    loss = mean_loss(model, samples)
    assert loss == mean_loss(model, samples)
    assert likelihood_scores({"a": model}, samples) == {"a": -loss}
    both = likelihood_scores({"a": model, "b": model}, samples)
    assert both == {"a": pytest.approx(0.0), "b": pytest.approx(0.0)}
