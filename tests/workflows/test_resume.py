from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contrafact.catalog import Workspace
from contrafact.workflows.index import build_index
from contrafact.workflows.train import train

from .conftest import digest_tree

TRAIN = """
import sys
import contrafact.workflows.train as t
from contrafact.catalog import Workspace
t._SAVE_EVERY_S = 0.05
if __name__ == "__main__":
    t.train(Workspace.open(sys.argv[1]), recipe="tiny")
"""

INDEX = """
import sys
from contrafact.catalog import Workspace
from contrafact.workflows.index import build_index
if __name__ == "__main__":
    build_index(Workspace.open(sys.argv[1]), model="tiny")
"""


@pytest.mark.parametrize(
    "kills", [3, pytest.param(10, marks=pytest.mark.slow)], ids=["some", "ten"]
)
def test_killed_training_ends_with_the_same_bytes(fresh, killed_until_done, kills):
    """`kill -9` during training and starting again changes no byte."""
    whole = fresh.parent / "whole"
    shutil.copytree(fresh, whole)
    train(Workspace.open(whole), recipe="tiny")
    landed = killed_until_done(TRAIN, fresh, kills=kills, seed=1, span_s=7.0)
    assert landed > 0
    assert digest_tree(fresh / "models" / "tiny") == digest_tree(
        whole / "models" / "tiny"
    )


@pytest.mark.parametrize(
    "kills", [2, pytest.param(10, marks=pytest.mark.slow)], ids=["some", "ten"]
)
def test_killed_index_build_ends_with_the_same_bytes(fresh, killed_until_done, kills):
    """`kill -9` during an index build and starting again changes no byte."""
    train(Workspace.open(fresh), recipe="tiny")
    whole = fresh.parent / "whole"
    shutil.copytree(fresh, whole)
    build_index(Workspace.open(whole), model="tiny")
    landed = killed_until_done(INDEX, fresh, kills=kills, seed=2, span_s=12.0)
    assert landed > 0
    assert digest_tree(fresh / "indexes") == digest_tree(whole / "indexes")


def test_trained_model_is_found_not_trained_again(fresh: Path):
    """Calling train on a finished model returns it at once."""
    first = train(Workspace.open(fresh), recipe="tiny")
    steps = []
    again = train(
        Workspace.open(fresh),
        recipe="tiny",
        progress=lambda stage, done, _: steps.append((stage, done)),
    )
    assert again == first
    assert not [s for s in steps if s[0] == "training"]
