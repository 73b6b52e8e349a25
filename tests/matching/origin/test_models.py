from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from contrafact.generators import Generator, load_generator
from contrafact.matching.origin.likelihood import likelihood_scores, mean_loss
from contrafact.matching.origin.reconstruction import reconstruction_score
from contrafact.workflows.models import SHIPPED

Music = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> Generator:
    """Return the model that comes with contrafact."""
    return load_generator(SHIPPED)


def test_a_codec_loses_less_of_what_it_made(model: Generator, music: Music) -> None:
    """Also where the sound was cut off its frames."""
    samples = music(1, 5.0)
    with torch.inference_mode():
        audio = torch.from_numpy(samples)[None, None]
        made = model.decode(model.encode(audio))[0, 0].numpy()
    cut = np.ascontiguousarray(made[700:])
    assert (
        reconstruction_score(model, cut) > reconstruction_score(model, samples) + 0.05
    )


def test_losses_are_on_common_draws(model: Generator, music: Music) -> None:
    """The same recording has the same loss; one candidate is its own measure."""
    samples = music(2, 5.0)
    loss = mean_loss(model, samples)
    assert loss == mean_loss(model, samples)
    assert likelihood_scores({"a": model}, samples) == {"a": -loss}
    both = likelihood_scores({"a": model, "b": model}, samples)
    assert both == {"a": pytest.approx(0.0), "b": pytest.approx(0.0)}
