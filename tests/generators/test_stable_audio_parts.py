"""What makes a Stable Audio model directory whole, and what it is known by."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from contrafact.core.errors import ModelFormatError
from contrafact.generators import load_generator

WEIGHTS = "diffusion_pytorch_model.safetensors"


def _edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "file",
    ["vae/" + WEIGHTS, "text_encoder/model.safetensors", "projection_model/" + WEIGHTS],
)
def test_digest_covers_the_weights_of_every_part(
    stable_audio_directory: Path, file: str
) -> None:
    """A change to any weight makes another model of it."""
    before = load_generator(stable_audio_directory).digest
    weights = load_file(stable_audio_directory / file)
    first = min(weights)
    save_file({**weights, first: weights[first] + 1}, stable_audio_directory / file)
    assert load_generator(stable_audio_directory).digest != before


def test_digest_covers_scheduler_and_tokenizer(stable_audio_directory: Path) -> None:
    """How a model samples and reads belongs to what it is."""
    digests = {load_generator(stable_audio_directory).digest}
    scheduler = stable_audio_directory / "scheduler/scheduler_config.json"
    _edit_json(scheduler, sigma_max=80.0)
    digests.add(load_generator(stable_audio_directory).digest)
    tokenizer = stable_audio_directory / "tokenizer/tokenizer_config.json"
    _edit_json(tokenizer, model_max_length=5)
    digests.add(load_generator(stable_audio_directory).digest)
    assert len(digests) == 3


def test_digest_ignores_the_version_that_saved_it(
    stable_audio_directory: Path,
) -> None:
    """Saving a model again with other versions does not make another of it."""
    before = load_generator(stable_audio_directory).digest
    _edit_json(stable_audio_directory / "vae/config.json", _diffusers_version="0.0.1")
    encoder = stable_audio_directory / "text_encoder/config.json"
    _edit_json(encoder, transformers_version="4.0.0", torch_dtype="float32")
    assert load_generator(stable_audio_directory).digest == before


def test_kind_may_be_named_in_config(stable_audio_directory: Path) -> None:
    """A config.json that names the kind goes before the pipeline's index."""
    (stable_audio_directory / "config.json").write_text('{"kind": "stable_audio"}')
    assert load_generator(stable_audio_directory).name == "tiny"


def test_weights_may_be_sharded_or_have_a_half_precision_twin(
    stable_audio_directory: Path,
) -> None:
    """Shards are joined; a float16 variant and a pickle beside them stay unread."""
    before, part = load_generator(stable_audio_directory).digest, "transformer"
    folder = stable_audio_directory / part
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    places = {n: f"shard-{i % 2}.safetensors" for i, n in enumerate(names)}
    for shard in sorted({*places.values()}):
        save_file({n: weights[n] for n in names if places[n] == shard}, folder / shard)
    index = folder / (WEIGHTS + ".index.json")
    index.write_text(json.dumps({"weight_map": places}))
    (folder / WEIGHTS).unlink()
    vae = stable_audio_directory / "vae"
    halves = {n: t.half() for n, t in load_file(vae / WEIGHTS).items()}
    save_file(halves, vae / WEIGHTS.replace(".safe", ".fp16.safe"))
    (vae / "diffusion_pytorch_model.bin").write_bytes(b"never opened")
    assert load_generator(stable_audio_directory).digest == before


def _lose_part(directory: Path) -> None:
    shutil.rmtree(directory / "projection_model")


def _pickle_weights(directory: Path) -> None:
    path = directory / "vae" / WEIGHTS
    path.rename(path.with_suffix(".bin"))


def _lose_weights(directory: Path) -> None:
    (directory / "transformer" / WEIGHTS).unlink()


def _cut_weights(directory: Path) -> None:
    path = directory / "transformer" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def _lose_tensor(directory: Path) -> None:
    path = directory / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, path)


def _add_tensor(directory: Path) -> None:
    path = directory / "transformer" / WEIGHTS
    save_file({**load_file(path), "surplus": torch.zeros(1)}, path)


def _reshape_tensor(directory: Path) -> None:
    _edit_json(directory / "vae" / "config.json", decoder_channels=8)


def _swap_class(directory: Path) -> None:
    _edit_json(directory / "model_index.json", vae=["diffusers", "AutoencoderKL"])


def _break_json(directory: Path) -> None:
    (directory / "vae" / "config.json").write_text("{")


def _lose_config(directory: Path) -> None:
    (directory / "scheduler" / "scheduler_config.json").unlink()


def _break_setting(directory: Path) -> None:
    _edit_json(directory / "transformer" / "config.json", num_attention_heads="two")


def _unlimit_tokenizer(directory: Path) -> None:
    path = directory / "tokenizer" / "tokenizer_config.json"
    _edit_json(path, model_max_length=10**30)


def _lose_tokenizer(directory: Path) -> None:
    for path in (directory / "tokenizer").iterdir():
        path.unlink()


def _predict_noise(directory: Path) -> None:
    path = directory / "scheduler" / "scheduler_config.json"
    _edit_json(path, prediction_type="epsilon")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_lose_part, "lacks projection_model"),
        (_pickle_weights, "could run code"),
        (_lose_weights, "has no weights"),
        (_cut_weights, "Cannot read the weights"),
        (_lose_tensor, "lack 1 of the model's tensors.*final_layer_norm"),
        (_add_tensor, "have no place for 1.*surplus"),
        (_reshape_tensor, "wrong shape"),
        (_swap_class, "vae .* is a AutoencoderKL"),
        (_break_json, "is not JSON"),
        (_lose_config, "scheduler_config.json"),
        (_break_setting, "cannot be put together"),
        (_unlimit_tokenizer, "model_max_length"),
        (_lose_tokenizer, "tokenizer"),
        (_predict_noise, "prediction types"),
    ],
    ids=lambda case: getattr(case, "__name__", " ").lstrip("_"),
)
def test_damaged_model_is_refused_in_one_line(
    stable_audio_directory: Path, damage: Callable[[Path], None], message: str
) -> None:
    """What is wrong with a model directory is said, with its place."""
    damage(stable_audio_directory)
    with pytest.raises(ModelFormatError, match=message) as caught:
        load_generator(stable_audio_directory)
    assert "\n" not in str(caught.value)
    assert str(stable_audio_directory) in str(caught.value)
