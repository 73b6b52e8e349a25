"""Watermarks as evidence of origin: what decides, what is a hint, who is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contrafact.catalog import Workspace, encode_audio, read_audio
from contrafact.core.errors import SigningKeyError
from contrafact.matching import watermarks as schemes
from contrafact.matching.origin.nulls import Null
from contrafact.matching.watermarks import Bits, Detection, Samples
from contrafact.workflows.identify import identify
from contrafact.workflows.mark import mark
from contrafact.workflows.origin import identify_origin, origin_of, origin_state
from contrafact.workflows.origin_models import disowning
from contrafact.workflows.screen import Screening, screen, uploads_in
from contrafact.workflows.watermarks import WatermarkChoice

RATE = 16_000
OURS = WatermarkChoice(name="patchwork")
MOST = 1 / 1000


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a folder of keys of the test's own; return the file of the mark's key."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys" / "marking" / "watermark.key"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.init(tmp_path / "ws")


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    """Another, whose register does not know the songs."""
    return Workspace.init(tmp_path / "other")


@pytest.fixture
def song(tmp_path: Path, keys: Path, write_song: Callable[..., Path]) -> Path:
    """A song without a mark, that a model is said to have made."""
    return write_song(tmp_path / "song.flac", model="small")


@pytest.fixture
def stripped(workspace: Workspace, song: Path, tmp_path: Path) -> Path:
    """That song marked, then written anew: softer, no tags, no credentials."""
    marked = tmp_path / "marked.flac"
    mark(workspace, song, out=marked, watermark=OURS)
    out, audio = tmp_path / "stripped.wav", read_audio(marked, mono=False)
    out.write_bytes(encode_audio(out, 0.7 * audio.samples, audio.sample_rate))
    return out


def test_our_mark_alone_carries_a_verdict(other: Workspace, stripped: Path) -> None:
    """Where nothing is enrolled or registered, at the rate that the mark states."""
    finding = identify_origin(other, stripped)
    assert [e.kind for e in finding.evidence if e.p_value] == ["watermark:patchwork"]
    assert (finding.verdict, finding.generator) == ("ai", None)
    assert 0 < finding.false_positive_rate < MOST
    assert finding.probability > 0.9


def test_a_mark_names_the_model_whose_output_carries_it(
    workspace: Workspace, stripped: Path
) -> None:
    """Scheme and payload are looked up in the register of outputs."""
    finding = origin_of(workspace, stripped)
    assert finding is not None
    (found,) = (e for e in finding.evidence if e.kind == "watermark:patchwork")
    assert found.generator == finding.generator == "small"


def test_without_a_mark_there_is_no_finding(other: Workspace, song: Path) -> None:
    """Nor does a key that is there make one."""
    mark(other, song, out=song.with_name("m.wav"), watermark=OURS)
    plain = song.with_name("plain.wav")
    audio = read_audio(song, mono=False)
    plain.write_bytes(encode_audio(plain, audio.samples[:, :-RATE], RATE))
    assert "watermark:patchwork" not in _kinds(other, plain)


def _kinds(workspace: Workspace, path: Path) -> set[str]:
    return {e.kind for e in identify_origin(workspace, path).evidence}


class _Crying:
    """A scheme that sees its mark in everything, and states no rate."""

    name, n_bits, sample_rate, least_s = "perth", 0, RATE, 1.0

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        return samples

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        return Detection(
            is_found=True,
            bits=np.zeros(0, np.uint8),
            confidence=1.0,
            false_positive_rate=None,
        )


def test_a_mark_without_a_rate_never_decides(
    other: Workspace, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as a hint where marks are asked for, and is no finding by itself."""
    monkeypatch.setitem(schemes.WATERMARKS, "perth", lambda _: _Crying())
    plain, audio = tmp_path / "plain.wav", read_audio(song, mono=False)
    plain.write_bytes(encode_audio(plain, audio.samples, audio.sample_rate))
    finding = identify_origin(other, plain)
    assert {e.kind: e.p_value for e in finding.evidence} == {"watermark:perth": None}
    assert (finding.verdict, finding.generator) == ("unknown", None)
    assert origin_of(other, plain) is None


def test_identify_and_screen_tell_the_mark(other: Workspace, stripped: Path) -> None:
    """Both have it among their evidence of origin."""
    evidence = identify(other, stripped).evidence
    assert evidence.origin is not None
    assert evidence.origin.verdict == "ai"
    how = Screening(n_workers=1)
    (record,) = screen(other, uploads_in([stripped]), how=how)
    assert record["origin"]["verdict"] == "ai"
    kinds = {e["kind"] for e in record["origin"]["evidence"]}
    assert kinds == {"watermark:patchwork"}


def test_a_damaged_key_is_told_once(
    other: Workspace, stripped: Path, keys: Path
) -> None:
    """By the command that asks for marks; a screening goes on without it."""
    before = origin_state(other)
    keys.write_text("nonsense\n")
    with pytest.raises(SigningKeyError, match="hexadecimal"):
        identify_origin(other, stripped)
    assert origin_of(other, stripped) is None
    assert origin_state(other) != before


def test_the_rate_counts_how_many_marks_were_sure(other: Workspace) -> None:
    """Two schemes that were tried have twice the rate of one."""
    from contrafact.core.matches import OriginEvidence
    from contrafact.matching.origin.hearing import hear_samples
    from contrafact.matching.origin.joining import decide

    rng = np.random.default_rng(0)
    heard = hear_samples(0.1 * rng.standard_normal((1, 5 * RATE)).astype(np.float32))
    one = OriginEvidence(kind="watermark:a", score=1.0, p_value=0.002)
    found = [decide(heard, None, others=[one] * n) for n in (1, 2, 6)]
    assert [f.verdict for f in found] == ["ai", "ai", "unknown"]
    assert [f.false_positive_rate for f in found[:2]] == [0.002, 0.004]
    hint = replace(one, p_value=None)
    assert decide(heard, None, others=[hint]).verdict == "unknown"


def test_a_codec_is_believed_only_if_it_knows_its_own_songs() -> None:
    """It then disowns what it knows no better than recordings by people."""
    rng = np.random.default_rng(0)
    people, own = rng.normal(-0.36, 0.06, 40), list(rng.normal(-0.18, 0.02, 8))
    null = Null.of([float(v) for v in people])
    (said,) = disowning("a", -0.33, null, own=own)
    assert (said.kind, said.generator, said.p_value) == ("disowned", "a", None)
    assert "8 of 8" in said.detail
    assert disowning("a", -0.18, null, own=own) == []
    for other in (list(people[:8]), own[:4] + list(people[:4]), []):
        assert disowning("a", -0.33, null, own=other) == []
