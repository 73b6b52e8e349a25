"""`contrafact encoder`, and encoders that are named to `identify`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import HubertConfig, HubertModel
from typer.testing import Result

from .conftest import Run


def test_encoders_are_listed(run: Run, document: Callable[[Result], Any]) -> None:
    """With what a folder of each must hold, and under which licence it is."""
    listed = document(run("encoder", "list", "--json"))["encoders"]
    assert list(listed) == ["clews", "muq", "mert", "clap"]
    assert listed["clews"]["meaning"] == "work"
    assert listed["muq"]["licence"] == "CC BY-NC 4.0"
    assert "model.safetensors" in listed["clap"]["files"]
    assert "configuration.yaml" in run("encoder", "list").stdout


def test_a_published_checkpoint_is_converted(
    run: Run, document: Callable[[Result], Any], tmp_path: Path
) -> None:
    """And loaded from where it was written."""
    config = HubertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    source = tmp_path / "pytorch_model.bin"
    torch.save(HubertModel(config).state_dict(), source)
    (tmp_path / "config.json").write_text(config.to_json_string())
    made = document(
        run("encoder", "convert", "mert", source, tmp_path / "mert", "--json")
    )
    assert made["dimension"] == 16
    assert Path(made["weights"]).is_file()
    shown = run("encoder", "convert", "mert", source, tmp_path / "mert").stdout
    assert "16 numbers for every 5 s of audio at 24000 Hz" in shown
    assert f"--encoder mert={tmp_path / 'mert'}" in shown.replace("\n", "")


def test_what_cannot_be_asked_is_one_line(run: Run, ws: Path, tmp_path: Path) -> None:
    """An unknown encoder, a missing folder, a file that is no checkpoint."""
    song, bad = tmp_path / "song.wav", tmp_path / "bad.ckpt"
    song.write_bytes(b"")
    bad.write_bytes(b"no zip")
    asked = ("identify", song, "-w", ws, "--encoder")
    for words, code, said in (
        ((*asked, "ear=x"), 2, "ear"),
        ((*asked, "clap=x"), 5, "laion"),
        (
            ("attribute", song, "--model", "m", "--encoder", "clap=x", "-w", ws),
            2,
            "like",
        ),
        (("encoder", "convert", "clap", bad, tmp_path / "x"), 5, "plain"),
    ):
        result = run(*words)
        assert result.exit_code == code, result.output
        assert said in result.output + str(result.exception)
