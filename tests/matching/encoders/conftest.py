"""Folders of small networks with random weights, written as they are published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    HubertConfig,
    HubertModel,
)

from contrafact.matching.encoders.clews import ClewsNetwork
from contrafact.matching.encoders.muq import MuQNetwork

CLEWS = {
    "data": {"samplerate": 16_000},
    "model": {
        "name": "clews",
        "shingling": {"len": 3, "hop": 3},
        "cqt": {"hoplen": 0.02, "noctaves": 7, "nbinsoct": 12, "fscale": 1, "pool": 5},
        "frontend": {"cqtpow": 0.5, "channels": [4, 8]},
        "backbone": {"blocks": [2, 1], "channels": [8, 16], "down": [1, 2]},
        "zdim": 12,
    },
}
MUQ: dict[str, Any] = {
    "label_rate": 25,
    "hop_length": 240,
    "n_mels": 16,
    "conv_dim": 4,
    "encoder_dim": 16,
    "encoder_depth": 2,
    "stat": {"melspec_2048_mean": -20.0, "melspec_2048_std": 15.0},
    "w2v2_config": {
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "position_embeddings_type": "rotary",
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
}
MERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
_CLAP_AUDIO = {
    "spec_size": 64,
    "patch_embeds_hidden_size": 8,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "window_size": 4,
    "num_mel_bins": 16,
    "hidden_size": 16,
}
_CLAP_TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 20,
}


def _shaken(module: nn.Module, seed: int) -> nn.Module:
    """Give every weight another value, those that begin at 0 or 1 as well."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in module.parameters():
        noise = torch.randn(tensor.shape, generator=generator)
        tensor.data += 0.3 * noise * tensor.abs().mean().clamp(min=0.1)
    return module.eval()


def save(module: nn.Module, folder: Path, *, prefix: str = "") -> None:
    """Write weights as publishers do."""
    tensors = {
        prefix + name: tensor.contiguous().clone()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")


def write_clews(folder: Path, *, seed: int = 0) -> nn.Module:
    """Write a small CLEWS with its settings; return the network."""
    torch.manual_seed(seed)
    network = _shaken(ClewsNetwork(CLEWS["model"], sample_rate=16_000), seed)
    save(network, folder)
    (folder / "configuration.yaml").write_text(yaml.safe_dump(CLEWS))
    return network


def write_muq(folder: Path, *, seed: int = 0) -> nn.Module:
    """Write a small MuQ, with parts that only its training needs."""
    torch.manual_seed(seed)
    network = _shaken(MuQNetwork(MUQ), seed)
    network.linear = nn.Linear(16, 4)
    network.cls_token = nn.Parameter(torch.zeros(16))
    save(network, folder, prefix="model.")
    (folder / "config.json").write_text(json.dumps(MUQ))
    return network


def write_mert(folder: Path, *, seed: int = 0, **more: Any) -> nn.Module:
    """Write a small MERT, its weight normalization under the older names."""
    torch.manual_seed(seed)
    network = _shaken(HubertModel(HubertConfig(**MERT)), seed)
    old = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    tensors = {}
    for name, tensor in network.state_dict().items():
        for new, older in old.items():
            name = name.replace(new, older)  # noqa: PLW2901
        tensors[name] = tensor.contiguous().clone()
    save_file(tensors, folder / "model.safetensors")
    config = {**MERT, "model_type": "mert_model", "sample_rate": 24_000, **more}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    return network


def write_clap(folder: Path, *, seed: int = 0) -> nn.Module:
    """Write a small CLAP, whole, with its network of texts."""
    torch.manual_seed(seed)
    config = ClapConfig(
        text_config=_CLAP_TEXT, audio_config=_CLAP_AUDIO, projection_dim=8
    )
    network = _shaken(ClapModel(config), seed)
    save(network, folder)
    (folder / "config.json").write_text(config.to_json_string())
    features = ClapFeatureExtractor(
        feature_size=16, max_length_s=2, truncation="rand_trunc"
    )
    (folder / "preprocessor_config.json").write_text(features.to_json_string())
    return network


WRITERS: dict[str, Callable[..., nn.Module]] = {
    "clews": write_clews,
    "muq": write_muq,
    "mert": write_mert,
    "clap": write_clap,
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of every encoder; not to be written to."""
    found = {}
    for name, write in WRITERS.items():
        found[name] = tmp_path_factory.mktemp(name)
        write(found[name])
    return found
