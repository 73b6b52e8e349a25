"""The catalog as latents: the cache, and several threads against one after another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrafact.catalog import Workspace
from contrafact.generators.studio import shipped_codec
from contrafact.workflows.latents import Encoding, corpus_latents, encode_file


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    """The studio's own codec."""
    codec = shipped_codec()

    def encode(audio: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return codec.encode(audio[:, 0])

    return Encoding(
        encode,
        sample_rate=codec.config.sample_rate,
        samples_per_token=codec.config.samples_per_token,
        key="0" * 64,
    )


def test_threads_encode_what_one_after_another_does(
    fresh: Path, encoding: Encoding
) -> None:
    """Every recording once, in order, to the same bits, and told one by one."""
    workspace, told = Workspace.open(fresh), []
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    found = corpus_latents(
        workspace, recordings, encoding, max_tokens=10_000,
        tell=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(i + 1, len(recordings)) for i in range(len(recordings))]
    assert [w.recording_id for w in found.windows] == [r.id for r in recordings]
    torch.set_num_threads(1)
    for recording, latents in zip(recordings, found.latents, strict=True):
        path = workspace.audio_path(recording)
        alone = encode_file(path, encoding, duration_s=recording.duration_s)
        assert torch.equal(latents, alone)


def test_a_damaged_cache_is_made_again(fresh: Path, encoding: Encoding) -> None:
    """What was cut short on disk is encoded once more."""
    workspace = Workspace.open(fresh)
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()[:3]

    def latents() -> list[torch.Tensor]:
        found = corpus_latents(
            workspace, recordings, encoding, max_tokens=10_000, tell=lambda a, b: None
        )
        return list(found.latents)

    before = latents()
    for path in (workspace.cache_dir / "latents").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:50])
    assert all(torch.equal(a, b) for a, b in zip(before, latents(), strict=True))
