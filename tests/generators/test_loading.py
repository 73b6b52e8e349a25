"""Model directories are told apart and pickles are never opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.generators import (
    LatentBatch,
    _lazy,
    check_safetensors_only,
    load_generator,
)
from contrafact.generators.base import Conditioning
from contrafact.generators.loading import load_weights


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".pt", ".pth", ".pkl"])
def test_pickles_alone_are_refused(tmp_path: Path, suffix: str) -> None:
    """A directory that has nothing but pickled weights is unsafe."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"model{suffix}").write_bytes(b"never opened")
    with pytest.raises(ModelFormatError, match=f"model{suffix}"):
        check_safetensors_only(tmp_path)


def test_pickles_beside_safetensors_are_left_alone(tmp_path: Path) -> None:
    """Publishers ship both; the safetensors are enough."""
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "model.ckpt").write_bytes(b"never opened")
    check_safetensors_only(tmp_path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    """A training that ran away, or damaged bytes: the tensor is named, none loaded."""
    layer = torch.nn.Linear(2, 3)
    before = layer.weight.detach().clone()
    for odd in (torch.nan, torch.inf):
        weights = {"weight": torch.full((3, 2), odd), "bias": torch.zeros(3)}
        with pytest.raises(ModelFormatError, match="first being weight"):
            load_weights(layer, weights, of=tmp_path)
    assert torch.equal(layer.weight, before)


def test_directory_without_weights_is_refused(tmp_path: Path) -> None:
    """An empty or absent directory is named as what it is."""
    with pytest.raises(ModelFormatError, match="no weights"):
        check_safetensors_only(tmp_path)
    with pytest.raises(ModelFormatError, match="no model directory"):
        check_safetensors_only(tmp_path / "absent")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", '{"kind": "organ"}', "kind 'organ'.*Known kinds:"),
        ("config.json", "{}", "does not say what it is"),
        ("config.json", "[1]", "a JSON list"),
        ("config.json", "\x00", "not JSON"),
        ("model_index.json", '{"_class_name": "MusicLDMPipeline"}', "MusicLDM"),
        ("readme.txt", "", "does not say what it is"),
    ],
)
def test_directory_of_no_known_kind_is_refused(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    """The error names the kind that was found and those that are known."""
    (tmp_path / file).write_text(content)
    with pytest.raises(ModelFormatError, match=message):
        load_generator(tmp_path)


def test_absent_directory_is_refused(tmp_path: Path) -> None:
    """A wrong path is said to be one."""
    with pytest.raises(ModelFormatError, match="no model directory"):
        load_generator(tmp_path / "absent")


def test_missing_packages_are_named(tmp_path: Path) -> None:
    """A kind of model whose packages are absent says how to get them."""
    load = _lazy("no.such.module", "load", needs=("no_such_package",), extra="organ")
    with pytest.raises(GeneratorError, match=r"no_such_package.*contrafact\[organ\]"):
        load(tmp_path)


def test_registry_imports_nothing_of_its_models() -> None:
    """The kinds are known without importing the packages behind them."""
    script = (
        "import sys, contrafact.generators as g; "
        "assert 'stable_audio' in g.GENERATORS; "
        "sys.exit('diffusers' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_kind_from_outside_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package adds a kind by an entry point."""
    site, model = tmp_path / "site", tmp_path / "model"
    info = site / "organ-1.0.dist-info"
    info.mkdir(parents=True)
    model.mkdir()
    (info / "METADATA").write_text("Name: organ\nVersion: 1.0\n")
    entry = "[contrafact.generators]\norgan = organ_model:load\n"
    (info / "entry_points.txt").write_text(entry)
    (site / "organ_model.py").write_text("def load(directory):\n    return 'pipes'\n")
    (model / "config.json").write_text('{"kind": "organ"}')
    monkeypatch.syspath_prepend(str(site))
    assert str(load_generator(model)) == "pipes"
    sys.modules.pop("organ_model")


def test_batch_is_stacked_selected_and_repeated() -> None:
    """Rows keep their lengths and order."""
    batch = LatentBatch.stack([torch.full((2, n), float(n)) for n in (3, 1, 2)])
    assert batch.n_tokens == (3, 1, 2)
    assert (batch.latents[~batch.mask[:, None].expand_as(batch.latents)] == 0).all()
    assert batch.select([2, 0, 2]).n_tokens == (2, 3, 2)
    assert batch.select(slice(1, None)).n_tokens == (1, 2)
    assert batch.repeat(2).n_tokens == (3, 3, 1, 1, 2, 2)


def test_batch_of_odd_shapes_is_refused() -> None:
    """Latents, masks and conditionings that do not fit together raise."""
    ones = torch.ones
    with pytest.raises(GeneratorError, match="axes"):
        LatentBatch(ones(2, 3), ones(2, 3) > 0)
    with pytest.raises(GeneratorError, match="mask of 5"):
        LatentBatch(ones(2, 3, 4), ones(2, 5) > 0)
    with pytest.raises(GeneratorError, match="equal channels"):
        LatentBatch.stack([ones(2, 3), ones(4, 3)])
    with pytest.raises(GeneratorError, match="equal channels"):
        LatentBatch.stack([])
    with pytest.raises(GeneratorError, match="one batch size"):
        Conditioning(ones(2, 3, 4), ones(2, 3) > 0, ones(1, 1, 4))


def test_conditioning_repeats_rows_side_by_side() -> None:
    """Copies of a row lie together, as those of a latent batch do."""
    tokens = torch.arange(2.0)[:, None, None].expand(2, 3, 4)
    rows = Conditioning(tokens, tokens[..., 0] >= 0, tokens[:, :1])
    assert rows.repeat(2).tokens[:, 0, 0].tolist() == [0, 0, 1, 1]
    assert rows.select([1]).pooled.tolist() == [[[1.0] * 4]]
