"""Models that are held: enrolled from what they make, then asked what they know."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from contrafact.catalog import Workspace, write_audio
from contrafact.core.errors import EnrolmentError
from contrafact.generators import load_generator
from contrafact.workflows.models import find_model, open_model
from contrafact.workflows.origin import fresh_registry
from contrafact.workflows.origin_models import (
    enroll_model,
    held_models,
    model_evidence,
)

RATE = 16_000
N_PEOPLE = 20
PIECES = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁slow", -3.0)]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings in which no decoder had a hand: noise of many colours."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(N_PEOPLE):
        noise = rng.standard_normal(5 * RATE)
        wave = 0.05 * np.convolve(noise, rng.standard_normal(32) / 6, "same")
        paths.append(tmp_path_factory.getbasetemp() / f"people-{i}.wav")
        soundfile.write(paths[-1], wave, RATE)
    return paths


@pytest.fixture
def copied(trained: Path, people: list[Path], tmp_path: Path) -> Workspace:
    """A workspace with a model of the smallest recipe and enrolled people."""
    workspace = Workspace.open(Path(shutil.copytree(trained, tmp_path / "ws")))
    fresh_registry(workspace).enroll("people", people, is_human=True)
    return workspace


def _song(workspace: Workspace, model: str, path: Path) -> Path:
    generator = open_model(find_model(workspace, model))
    batch = generator.sample(
        [""], n_tokens=[generator.max_tokens], seed=7, n_steps=4, guidance=1.0
    )
    audio = generator.decode(batch.latents)[0]
    audio = 0.5 * audio / audio.abs().max().clamp_min(1e-6)
    write_audio(path, audio.numpy(), generator.sample_rate)
    return path


@pytest.mark.slow
def test_a_model_is_enrolled_from_songs_it_makes(
    copied: Workspace, people: list[Path], tmp_path: Path
) -> None:
    """Under its digest; then its codec and its likelihood are asked, until removed."""
    record = find_model(copied, "tiny")
    enrolled = enroll_model(copied, "ours", "tiny", n_songs=2)
    assert (enrolled.model, len(enrolled.sources)) == (record.digest, 2)
    assert enrolled.source == "songs that model tiny made"
    assert held_models(copied) == {"ours": "tiny"}
    song = _song(copied, "tiny", tmp_path / "song.wav")
    own = {e.kind: e for e in model_evidence(copied, song)}
    other = {e.kind: e for e in model_evidence(copied, people[0])}
    assert {"reconstruction", "likelihood"} <= set(own)
    assert all(e.generator == "ours" for e in own.values())
    for kind in ("reconstruction", "likelihood"):
        assert 0 < (own[kind].p_value or 0) <= 1
    assert own["reconstruction"].score > other["reconstruction"].score
    fresh_registry(copied).remove("ours")
    assert (held_models(copied), model_evidence(copied, song)) == ({}, [])


def test_too_few_people_are_told_before_any_song_is_made(
    trained: Path, people: list[Path], tmp_path: Path
) -> None:
    """Also where their files are gone: a model's answers could not be judged."""
    workspace = Workspace.open(Path(shutil.copytree(trained, tmp_path / "ws")))
    copies = [Path(shutil.copy(p, tmp_path / p.name)) for p in people]
    fresh_registry(workspace).enroll("people", copies, is_human=True)
    copies[3].unlink()
    with pytest.raises(EnrolmentError, match="19 recordings by people"):
        enroll_model(workspace, "ours", "tiny", n_songs=2)
    assert held_models(workspace) == {}


def _write_stable_audio(folder: Path) -> None:
    """Write a pipeline of small random parts that makes five seconds at 16 kHz."""
    diffusers, transformers = _packages()
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # diffusers builds its codec with torch's older weight norm.
        warnings.filterwarnings("ignore", ".*weight_norm", FutureWarning)
        codec = diffusers.AutoencoderOobleck(
            encoder_hidden_size=8, downsampling_ratios=[8, 16],
            channel_multiples=[1, 2], decoder_channels=4,
            decoder_input_channels=4, audio_channels=2, sampling_rate=RATE,
        )  # fmt: skip
    transformer = diffusers.StableAudioDiTModel(
        sample_size=640, in_channels=4, out_channels=4, num_layers=1,
        attention_head_dim=8, num_attention_heads=2,
        num_key_value_attention_heads=1, cross_attention_dim=8, time_proj_dim=8,
        global_states_input_dim=16, cross_attention_input_dim=8,
    )  # fmt: skip
    text = transformers.T5Config(
        vocab_size=len(PIECES), d_model=12, d_kv=4, d_ff=16, num_layers=1, num_heads=2
    )
    diffusers.StableAudioPipeline(
        vae=codec,
        text_encoder=transformers.T5EncoderModel(text),
        projection_model=diffusers.StableAudioProjectionModel(
            text_encoder_dim=12, conditioning_dim=8, min_value=0, max_value=512
        ),
        tokenizer=transformers.T5Tokenizer(
            vocab=PIECES, extra_ids=0, model_max_length=6
        ),
        transformer=transformer,
        scheduler=diffusers.CosineDPMSolverMultistepScheduler(),
    ).save_pretrained(folder, safe_serialization=True)


def _packages() -> tuple[Any, Any]:
    diffusers = pytest.importorskip("diffusers")
    return diffusers, pytest.importorskip("transformers")


def test_a_stable_audio_model_is_enrolled_in_the_same_way(
    people: list[Path], tmp_path: Path
) -> None:
    """From the files of its pipeline; of random weights, so that nothing is known."""
    workspace = Workspace.init(tmp_path / "ws")
    fresh_registry(workspace).enroll("people", people, is_human=True)
    folder = workspace.models_dir / "stable"
    _write_stable_audio(folder)
    digest = load_generator(folder).digest
    facts = {
        "model": digest, "kind": "stable_audio", "recipe": "", "corpus": "",
        "recordings": [], "left_out": [], "training": {"n_steps": 0}, "seed": 0,
        "final_loss": None,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(facts))
    enrolled = enroll_model(workspace, "stable", "stable", n_songs=4)
    assert (enrolled.model, len(enrolled.sources)) == (digest, 4)
    assert held_models(workspace) == {"stable": "stable"}
    evidence = model_evidence(workspace, people[0])
    assert {"reconstruction", "likelihood"} <= {e.kind for e in evidence}
    assert all(np.isfinite(e.score) for e in evidence)
