"""Tiny models with random weights, one maker for each kind of generator.

A new kind joins the contract suite by a line in `MODEL_MAKERS`.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.generators import Generator, load_generator

torch.set_num_threads(1)

STABLE_AUDIO_WIDTH = 16
PIECES = [
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -2.0),
    ("▁slow", -3.0),
    ("▁piano", -3.0),
    ("▁fiddle", -3.0),
    ("▁reel", -3.0),
]


def _tiny_codec() -> Any:
    import diffusers

    with warnings.catch_warnings():
        # diffusers builds its codec with torch's older weight norm.
        warnings.filterwarnings("ignore", ".*weight_norm", FutureWarning)
        return diffusers.AutoencoderOobleck(
            encoder_hidden_size=8,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 2],
            decoder_channels=4,
            decoder_input_channels=4,
            audio_channels=2,
            sampling_rate=800,
        )


def _tiny_transformer() -> Any:
    import diffusers

    return diffusers.StableAudioDiTModel(
        sample_size=12,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        num_key_value_attention_heads=1,
        cross_attention_dim=8,
        time_proj_dim=8,
        global_states_input_dim=2 * STABLE_AUDIO_WIDTH,
        cross_attention_input_dim=STABLE_AUDIO_WIDTH,
    )


def _tiny_text_encoder() -> Any:
    import transformers

    config = transformers.T5Config(
        vocab_size=len(PIECES), d_model=12, d_kv=4, d_ff=16, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def make_stable_audio(directory: Path) -> None:
    """Write a Stable Audio pipeline of tiny random parts, as diffusers would."""
    # Imported here, for other kinds are tested without these packages too.
    import diffusers
    import transformers

    torch.manual_seed(0)
    pipeline = diffusers.StableAudioPipeline(
        vae=_tiny_codec(),
        text_encoder=_tiny_text_encoder(),
        projection_model=diffusers.StableAudioProjectionModel(
            text_encoder_dim=12,
            conditioning_dim=STABLE_AUDIO_WIDTH,
            min_value=0,
            max_value=512,
        ),
        tokenizer=transformers.T5Tokenizer(
            vocab=PIECES, extra_ids=0, model_max_length=6
        ),
        transformer=_tiny_transformer(),
        scheduler=diffusers.CosineDPMSolverMultistepScheduler(),
    )
    pipeline.save_pretrained(directory, safe_serialization=True)


def make_studio(directory: Path) -> None:
    """Write a tiny untrained studio model, exact in float32."""
    from contrafact.generators.studio import (
        CodecConfig,
        NetworkConfig,
        SpectralCodec,
        StudioGenerator,
    )
    from contrafact.generators.studio.text import Vocabulary
    from contrafact.generators.studio.training import new_network

    torch.manual_seed(0)
    codec = CodecConfig(
        sample_rate=800,
        n_fft=16,
        frames_per_token=2,
        latent_channels=4,
        width=8,
        n_blocks=1,
        n_phase_iterations=2,
    )
    network = new_network(
        NetworkConfig(
            latent_channels=4,
            max_tokens=12,
            n_layers=2,
            n_heads=2,
            head_width=8,
            n_text=6,
        ),
        Vocabulary(["fiddle", "piano", "reel"]),
        seed=0,
    )
    model = StudioGenerator(network, SpectralCodec(codec), is_fast=False)
    model.save(directory)


MODEL_MAKERS: dict[str, Callable[[Path], None]] = {
    "stable_audio": make_stable_audio,
    "studio": make_studio,
}


@pytest.fixture(scope="session", params=sorted(MODEL_MAKERS))
def model_directory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The directory of a tiny model of each kind; not to be changed."""
    directory = tmp_path_factory.mktemp("model") / f"tiny-{request.param}"
    MODEL_MAKERS[request.param](directory)
    return directory


@pytest.fixture
def generator(model_directory: Path) -> Generator:
    """A tiny generator of each kind, freshly loaded."""
    return load_generator(model_directory)


@pytest.fixture(scope="session")
def stable_audio_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Audio pipeline; not to be changed."""
    directory = tmp_path_factory.mktemp("stable-audio") / "tiny"
    make_stable_audio(directory)
    return directory


@pytest.fixture
def stable_audio_directory(stable_audio_original: Path, tmp_path: Path) -> Path:
    """A tiny Stable Audio pipeline of the test's own."""
    return Path(shutil.copytree(stable_audio_original, tmp_path / "tiny"))
