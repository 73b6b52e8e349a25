"""Stable Audio agrees with diffusers and loads nothing unsafe or incomplete."""

from __future__ import annotations

import json
import logging
import math
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from diffusers import CosineDPMSolverMultistepScheduler, StableAudioPipeline
from safetensors.torch import save_file

from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.passages import influence_by_token
from contrafact.core.errors import GeneratorError
from contrafact.generators import LatentBatch, load_generator
from contrafact.generators.stable_audio import StableAudioGenerator, load_stable_audio

# Both sum in float32, one row at a time here and two at a time there.
SAME = {"rtol": 1e-4, "atol": 1e-5}
PROMPTS = ["slow piano", "fiddle reel"]


@pytest.fixture
def tiny(stable_audio_original: Path) -> StableAudioGenerator:
    """A tiny model, freshly loaded."""
    return load_stable_audio(stable_audio_original)


@pytest.fixture
def pipeline(stable_audio_original: Path) -> Any:
    """The same model as diffusers loads it."""
    pipeline = StableAudioPipeline.from_pretrained(
        stable_audio_original, local_files_only=True, low_cpu_mem_usage=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.filterwarnings("ignore:Should have t:UserWarning:torchsde")
@pytest.mark.parametrize("guidance", [1.0, 7.0])
@pytest.mark.parametrize("n_steps", [1, 5, 16])
def test_sampling_agrees_with_the_pipeline(
    tiny: StableAudioGenerator, pipeline: Any, guidance: float, n_steps: int
) -> None:
    """Latents and audio are those of diffusers' StableAudioPipeline."""
    n_tokens, seed = 10, 5
    settings = {
        "audio_end_in_s": n_tokens / tiny.token_rate_hz,
        "num_inference_steps": n_steps,
        "guidance_scale": guidance,
    }
    latents, audio = (
        pipeline(
            PROMPTS,
            output_type=output,
            generator=[torch.Generator().manual_seed(seed + i) for i in range(2)],
            **settings,
        ).audios
        for output in ("latent", "pt")
    )
    ours = tiny.sample(
        PROMPTS, n_tokens=[10, 10], seed=seed, n_steps=n_steps, guidance=guidance
    )
    torch.testing.assert_close(ours.latents, latents[..., :n_tokens], **SAME)
    decoded = tiny.decode(latents)[..., : n_tokens * 8]
    torch.testing.assert_close(decoded, audio, **SAME)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_conditioning_agrees_with_the_pipeline(
    tiny: StableAudioGenerator, pipeline: Any
) -> None:
    """Cross-attention gets text and numbers, global states the numbers alone."""
    with torch.no_grad():
        text = pipeline.encode_prompt(PROMPTS, "cpu", False)
        start, end = pipeline.encode_duration(0.0, [0.05, 0.1], "cpu", False, 2)
    ours = tiny.condition(PROMPTS, n_tokens=[5, 10])
    torch.testing.assert_close(ours.tokens, torch.cat([text, start, end], 1), **SAME)
    torch.testing.assert_close(ours.pooled, torch.cat([start, end], 2), **SAME)
    # Two words and the end of the text, then the two numbers.
    assert ours.mask.tolist() == [[True] * 3 + [False] * 3 + [True] * 2] * 2


def test_unconditional_prompt_blanks_the_text_only(tiny: StableAudioGenerator) -> None:
    """The empty text leaves the numbers in the global states."""
    free, given = tiny.condition(["", "slow piano"], n_tokens=[5, 5]).tokens
    assert (free == 0).all()
    assert (given != 0).any()
    pooled = tiny.condition(["", "slow piano"], n_tokens=[5, 5]).pooled
    torch.testing.assert_close(pooled[0], pooled[1], **SAME)


def test_loss_agrees_with_the_scheduler(
    tiny: StableAudioGenerator, stable_audio_original: Path
) -> None:
    """The loss is the scheduler's denoising error over the noise's share.

    The scheduler divides signal plus `tan(angle)` times noise by its scale and
    denoises with the velocity; its error is then `sin(angle)` times ours.
    """
    scheduler = CosineDPMSolverMultistepScheduler.from_pretrained(
        stable_audio_original / "scheduler"
    )
    rng = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 3, 4, 12, generator=rng)
    times = torch.tensor([0.1, 0.5, 0.9])
    sigmas = torch.tan(times * math.pi / 2)[:, None, None]
    torch.testing.assert_close(scheduler.precondition_noise(sigmas)[:, 0, 0], times)
    batch = LatentBatch(latents, torch.ones(3, 12, dtype=torch.bool))
    rows = tiny.condition([*PROMPTS, ""], n_tokens=[12] * 3)
    noisy = latents + sigmas * noise
    scaled = scheduler.precondition_inputs(noisy, sigmas)
    velocity = tiny.predict(scaled, times, rows, batch.mask)
    denoised = scheduler.precondition_outputs(noisy, velocity, sigmas)
    error = (denoised - latents) / torch.sin(times * math.pi / 2)[:, None, None]
    expected = error.square().mean(dim=(1, 2))
    loss = tiny.loss(batch, rows, times=times, noise=noise)
    torch.testing.assert_close(loss, expected, **SAME)


def test_prompt_and_length_change_the_loss(tiny: StableAudioGenerator) -> None:
    """What the model is told reaches its output."""
    batch = LatentBatch(torch.ones(1, 4, 6), torch.ones(1, 6, dtype=torch.bool))
    draws = {"times": torch.tensor([0.5]), "noise": torch.zeros(1, 4, 6)}
    losses = {
        tiny.loss(batch, tiny.condition([text], n_tokens=[n]), **draws).item()
        for text, n in (("slow piano", 6), ("fiddle reel", 6), ("", 6), ("", 12))
    }
    assert len(losses) == 4


def test_padding_is_heard_as_silence(tiny: StableAudioGenerator) -> None:
    """A short example is the whole window that ends in encoded silence."""
    rng = torch.Generator().manual_seed(0)
    short, draw = torch.randn(2, 1, 4, 7, generator=rng)
    silence = tiny.encode(torch.zeros(1, 2, 40 * 8))[..., 20:21]
    fixed = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    latents = torch.cat([short, silence.expand(-1, -1, 5)], dim=-1)
    noise = torch.cat([draw, fixed[None, :, 7:]], dim=-1)
    rows = tiny.condition(PROMPTS[:1], n_tokens=[7])
    times = torch.tensor([0.4])
    heard = LatentBatch(short, torch.ones(1, 7, dtype=torch.bool))
    window = LatentBatch(latents, torch.ones(1, 12, dtype=torch.bool))
    unmasked = tiny.loss(heard, rows, times=times, noise=draw, mask_padding=False)
    whole = tiny.loss(window, rows, times=times, noise=noise)
    torch.testing.assert_close(unmasked, whole, **SAME)
    angle = torch.tensor(0.4 * math.pi / 2)
    noisy = torch.cos(angle) * latents + torch.sin(angle) * noise
    torch.testing.assert_close(
        tiny.predict(noisy[..., :7], times, rows, heard.mask),
        tiny.predict(noisy, times, rows, window.mask)[..., :7],
        **SAME,
    )


def test_generated_row_depends_on_its_own_seed_only(tiny: StableAudioGenerator) -> None:
    """Row i of a batch is the song of seed plus i."""
    settings: dict[str, Any] = {"n_steps": 3, "guidance": 3.0}
    both = tiny.sample(PROMPTS, n_tokens=[4, 9], seed=8, **settings)
    second = tiny.sample(PROMPTS[1:], n_tokens=[9], seed=9, **settings)
    torch.testing.assert_close(both.latents[1:], second.latents, **SAME)


def test_sampling_leaves_the_scheduler_as_it_was(tiny: StableAudioGenerator) -> None:
    """A run of other length in between does not change a song."""
    songs = [
        tiny.sample(["reel"], n_tokens=[5], seed=1, n_steps=n, guidance=2.0).latents
        for n in (3, 7, 3)
    ]
    assert torch.equal(songs[0], songs[2])


def test_time_out_of_range_is_refused(tiny: StableAudioGenerator) -> None:
    """Noise times beyond 1 are not extrapolated."""
    batch = LatentBatch(torch.ones(1, 4, 6), torch.ones(1, 6, dtype=torch.bool))
    rows = tiny.condition(["reel"], n_tokens=[6])
    with pytest.raises(GeneratorError, match="from 0 to 1"):
        tiny.loss(batch, rows, times=torch.tensor([1.5]), noise=batch.latents)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seed_out_of_range_is_refused(tiny: StableAudioGenerator, seed: int) -> None:
    """A seed that the solver's noise cannot take is refused before sampling."""
    with pytest.raises(GeneratorError, match="Seed"):
        tiny.sample(["reel"], n_tokens=[3], seed=seed, n_steps=1, guidance=1.0)


def test_frozen_parts_are_no_parameters(tiny: StableAudioGenerator) -> None:
    """Attribution sees the transformer without its fixed time frequencies."""
    parameters = tiny.parameters()
    assert "time_proj.weight" not in parameters
    assert "transformer_blocks.1.attn2.to_k.weight" in parameters
    others = [p for p in tiny.module().parameters() if p.requires_grad]
    assert len(others) == len(parameters)


def test_text_beyond_the_limit_is_cut_with_a_warning(
    tiny: StableAudioGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    """A prompt too long for the text encoder is not cut silently."""
    with caplog.at_level(logging.WARNING, logger="contrafact"):
        rows = tiny.condition(["slow piano fiddle reel slow piano"], n_tokens=[3])
    assert rows.tokens.shape[1] == 6 + 2
    assert "the model reads 6" in caplog.text


def test_nothing_is_fetched(
    stable_audio_original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading and sampling open no connection."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    tiny = load_generator(stable_audio_original)
    tiny.sample(["reel"], n_tokens=[4], seed=0, n_steps=1, guidance=1.0)


def test_checkpoint_holds_inside_its_context_only(
    stable_audio_directory: Path,
) -> None:
    """Parameters of a checkpoint come and go, even when an error ends it."""
    tiny = load_stable_audio(stable_audio_directory)
    digest, folder = tiny.digest, stable_audio_directory / "checkpoints"
    folder.mkdir()
    halves = {n: p.detach() * 0.5 for n, p in tiny.parameters().items()}
    save_file(halves, folder / "half.safetensors")
    with tiny.checkpoint("half"):
        assert all(torch.equal(p, halves[n]) for n, p in tiny.parameters().items())
    assert tiny.digest == digest
    with pytest.raises(RuntimeError, match="stop"), tiny.checkpoint("half"):
        raise RuntimeError("stop")
    assert tiny.digest == digest
    with pytest.raises(GeneratorError, match="found half"):
        tiny.checkpoint("whole")


@pytest.mark.parametrize("n_words", [10, 11])
def test_words_are_no_time_steps_where_they_fill_a_window(
    stable_audio_directory: Path, n_words: int
) -> None:
    """A text of a window's length, or one longer, has no place in time either."""
    path = stable_audio_directory / "tokenizer" / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "model_max_length": n_words}))
    model = load_stable_audio(stable_audio_directory)
    said = model.condition(["slow piano"], n_tokens=[7])
    # Two numbers stand behind the words; one position before the tokens.
    assert said.tokens.shape[1] in (model.max_tokens, model.max_tokens + 1)
    batch = LatentBatch.stack([torch.randn(model.latent_channels, 7)])
    draws = Draws.make(model, n_draws=4, n_strata=4, seed=0)
    found = gradients_of(model, batch, said, draws)
    text_side = ("cross_attention_proj", "attn2.to_k", "attn2.to_v")
    direction = {n: g * any(t in n for t in text_side) for n, g in found.items()}
    assert sum(float(d.abs().sum()) for d in direction.values()) > 0
    parts = influence_by_token(model, batch, said, draws, direction)
    assert parts.shape == (7,)
    assert parts.abs().max() == 0
    edges = {n: g * (n == "proj_in.weight") for n, g in found.items()}
    assert influence_by_token(model, batch, said, draws, edges).abs().min() > 0
