from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from contrafact.core.errors import (
    AudioError,
    EnrolmentError,
    MatchIndexError,
    StorageError,
)
from contrafact.core.matches import OriginEvidence
from contrafact.matching.origin import OriginRegistry
from contrafact.matching.origin import _keeping as keeping_module
from contrafact.matching.origin import registry as registry_module
from contrafact.matching.origin.chain import RATE
from contrafact.matching.origin.comb import Comb
from contrafact.matching.origin.hearing import hear
from contrafact.matching.origin.joining import decide

Write = Callable[..., Path]
Sound = Callable[..., "np.ndarray[tuple[int], np.dtype[np.float32]]"]
SPACINGS = {"even": 62.5, "odd": 53.33, "third": 71.77}


@pytest.mark.parametrize("name", sorted(SPACINGS))
def test_a_generator_is_named_from_music_it_was_not_enrolled_with(
    registry: OriginRegistry, write: Write, name: str, music: Sound, with_lines: Sound
) -> None:
    """By the lines of its decoder; not where the music drowns them, but never wrong."""
    found = [
        registry.identify(write(with_lines(music(seed), SPACINGS[name])))
        for seed in (901, 911, 912, 913)
    ]
    assert {f.generator for f in found} <= {name, None}
    assert sum(f.generator == name for f in found) >= 3
    assert all(f.verdict == "ai" and f.probability > 0.9 for f in found)
    assert all(f.false_positive_rate <= 0.01 for f in found)


@pytest.mark.parametrize("factor", [0.8, 1.1225, 1.25])
def test_a_change_of_speed_is_found_and_undone(
    registry: OriginRegistry,
    write: Write,
    factor: float,
    music: Sound,
    with_lines: Sound,
) -> None:
    """The scale that fits is the factor that frequencies were multiplied by."""
    samples = with_lines(music(901, 14.0), SPACINGS["even"])
    faster = soxr.resample(samples, RATE * factor, RATE)
    finding = registry.identify(write(faster))
    assert finding.verdict == "ai"
    assert "The nearest family is even" in finding.description or finding.generator
    assert finding.measurements["scale"] == pytest.approx(factor, rel=1e-3)


def test_people_are_not_called_generated(
    registry: OriginRegistry, write: Write, music: Sound
) -> None:
    """New music of the kind that the rates were measured on; two of thirty may be."""
    found = [registry.identify(write(music(seed))) for seed in range(500, 530)]
    assert sum(f.verdict == "ai" for f in found) <= 2
    assert all(f.generator is None for f in found if f.verdict != "ai")


def test_a_generator_that_was_never_enrolled_is_described_not_named(
    registry: OriginRegistry, write: Write, music: Sound, with_lines: Sound
) -> None:
    """It is told that it is generated, and the step of its decoder."""
    finding = registry.identify(write(with_lines(music(902), 50.0)))
    assert (finding.verdict, finding.generator) == ("ai", None)
    assert finding.measurements["comb_spacing_hz"] == pytest.approx(50.0, rel=1e-3)
    assert "320 samples at 16 kHz" in finding.description


def test_an_even_comb_alone_accuses_nobody(
    registry: OriginRegistry, write: Write, music: Sound
) -> None:
    """Thirty-second notes of a machine have one; it is told, and is no verdict."""
    heard = hear(write(music(511)))
    (row,) = heard.rows
    plain = replace(row, comb=Comb(spacing_hz=18.0, score=1_000.0, n_lines=280))
    before, after = (
        decide(h, registry.calibration())
        for h in (heard, replace(heard, rows=(plain,)))
    )
    (comb,) = (e for e in after.evidence if e.kind == "comb")
    assert comb.p_value is not None
    assert comb.p_value < 1e-6
    assert before.verdict != "ai"
    assert (after.verdict, after.probability) == (before.verdict, before.probability)


def test_a_registry_reads_back_as_it_was(
    registry: OriginRegistry, people: list[Path]
) -> None:
    """What is answered does not depend on having just enrolled."""
    assert registry.names() == ["even", "odd", "people", "third"]
    again = OriginRegistry.open(registry._directory)
    assert again.identify(people[0]) == registry.identify(people[0])


def _copy(registry: OriginRegistry, folder: Path) -> OriginRegistry:
    shutil.copytree(registry._directory, folder)
    return OriginRegistry.open(folder)


def test_what_is_worked_out_is_kept_and_gives_the_same_answers(
    registry: OriginRegistry,
    generated: dict[str, list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To the last bit, and without being worked out again."""
    asked = generated["odd"][0]
    first = _copy(registry, tmp_path / "kept")
    finding = first.identify(asked)
    monkeypatch.setattr(registry_module, "calibrate", None)
    assert OriginRegistry.open(first._directory).identify(asked) == finding


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_what_was_kept_is_worked_out_again_if_it_does_not_fit(
    registry: OriginRegistry,
    generated: dict[str, list[Path]],
    tmp_path: Path,
    damage: str,
) -> None:
    """Damaged, or of other classes under this one's name."""
    mine = _copy(registry, tmp_path / "mine")
    expected = mine.identify(generated["odd"][0])
    (kept,) = mine._directory.glob("calibration-*.npz")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:-99])
    else:
        less = _copy(registry, tmp_path / "less")
        less.remove("odd")
        less.calibration()
        (other,) = less._directory.glob("calibration-*.npz")
        assert other.name != kept.name
        shutil.copy(other, kept)
    again = OriginRegistry.open(mine._directory)
    assert again.identify(generated["odd"][0]) == expected
    assert [p.name for p in mine._directory.glob("cal*")] == [kept.name]


def test_a_registry_that_cannot_be_written_can_be_asked(
    registry: OriginRegistry,
    generated: dict[str, list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It works the calibration out each time, and keeps nothing."""

    def full(path: Path, data: bytes) -> None:
        raise StorageError("The disk is full.")

    mine = _copy(registry, tmp_path / "mine")
    for path in mine._directory.glob("calibration-*.npz"):
        path.unlink()
    monkeypatch.setattr(keeping_module, "write_bytes", full)
    assert mine.identify(generated["odd"][0]).verdict == "ai"
    assert list(mine._directory.glob("cal*")) == []


def test_removing_forgets(tmp_path: Path, generated: dict[str, list[Path]]) -> None:
    """Neither the name nor a file is left, and the files may be enrolled anew."""
    registry = OriginRegistry.open(tmp_path)
    registry.enroll("a", generated["even"])
    registry.remove("a")
    assert registry.names() == OriginRegistry.open(tmp_path).names() == []
    assert list(tmp_path.iterdir()) == []
    registry.enroll("b", generated["even"])
    with pytest.raises(EnrolmentError, match="a is not enrolled; b is"):
        registry.remove("a")


def test_too_little_is_not_enrolled(tmp_path: Path, write: Write, music: Sound) -> None:
    """Three seconds are refused as sound, and two short files as a class."""
    registry = OriginRegistry.open(tmp_path)
    with pytest.raises(EnrolmentError, match=r"3\.0 s of sound; at least 4 s"):
        registry.enroll("a", [write(music(1, 3.0))])
    with pytest.raises(EnrolmentError, match=r"10\.0 s of sound in 2 part"):
        registry.enroll("a", [write(music(i, 5.0)) for i in (1, 2)])
    assert list(tmp_path.iterdir()) == []


def test_the_same_files_are_not_enrolled_twice(
    tmp_path: Path, generated: dict[str, list[Path]]
) -> None:
    """Under another name they would be two generators that are one."""
    registry = OriginRegistry.open(tmp_path)
    registry.enroll("a", generated["even"])
    with pytest.raises(EnrolmentError, match="enrolled as a"):
        registry.enroll("b", generated["even"])
    with pytest.raises(EnrolmentError, match="is new to a"):
        registry.enroll("a", generated["even"])
    with pytest.raises(EnrolmentError, match="enrolled as a generator"):
        registry.enroll("a", generated["odd"], is_human=True)
    with pytest.raises(EnrolmentError, match="printable"):
        registry.enroll("a\n", generated["odd"])


def test_two_generators_that_are_the_same_are_not_told_apart(
    tmp_path: Path,
    people: list[Path],
    generated: dict[str, list[Path]],
    write: Write,
    music: Sound,
    with_lines: Sound,
) -> None:
    """It is said that it is generated, and by which two, but neither is named."""
    registry = OriginRegistry.open(tmp_path)
    registry.enroll("people", people, is_human=True)
    twin = [write(with_lines(music(700 + i), SPACINGS["even"])) for i in range(6)]
    registry.enroll("one", generated["even"])
    registry.enroll("other", twin)
    registry.enroll("third", generated["third"])
    finding = registry.identify(write(with_lines(music(950), SPACINGS["even"])))
    assert (finding.verdict, finding.generator) == ("ai", None)
    assert "one and other cannot be told apart" in finding.description


def test_without_people_nothing_is_said(
    tmp_path: Path, generated: dict[str, list[Path]]
) -> None:
    """No rate of false alarms can be stated, so there is no verdict."""
    registry = OriginRegistry.open(tmp_path)
    registry.enroll("even", generated["even"])
    finding = registry.identify(generated["odd"][0])
    assert (finding.verdict, finding.probability) == ("unknown", 0.0)
    assert "20 recordings by people" in finding.description


def test_a_trace_that_its_own_codec_disowns_is_no_verdict(
    registry: OriginRegistry, write: Write, music: Sound, with_lines: Sound
) -> None:
    """Another model's codec may not know it."""
    path = write(with_lines(music(901), SPACINGS["odd"]))
    for name, expected in (("odd", "unknown"), ("even", "ai")):
        asked = OriginEvidence(kind="disowned", score=0, p_value=None, generator=name)
        finding = registry.identify(path, others=[asked])
        assert finding.verdict == expected
        assert ("printed on" in finding.description) is (name == "odd")
        assert finding.generator == (None if name == "odd" else "odd")


def test_a_tag_is_a_claim(
    registry: OriginRegistry, people: list[Path], tmp_path: Path
) -> None:
    """What Suno writes into WAV files is read, and said to be a claim."""
    samples, rate = soundfile.read(people[3], dtype="float32")
    path = tmp_path / "tagged.wav"
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        file.comment = "made with suno; created=2026-01-01; id=7"
        file.write(samples)
    finding = registry.identify(path)
    assert (finding.verdict, finding.generator) == ("ai", "suno")
    assert finding.false_positive_rate == 1.0
    (tag,) = (e for e in finding.evidence if e.kind == "tags")
    assert tag.p_value is None


def test_channels_that_differ_are_heard_apart(
    registry: OriginRegistry, write: Write, music: Sound, with_lines: Sound
) -> None:
    """A generated channel beside one by people is found, and which it is."""
    both = np.stack([music(903), with_lines(music(904), SPACINGS["odd"])])
    finding = registry.identify(write(both))
    assert finding.generator == "odd"
    assert "the right one" in finding.description


def test_opposite_channels_do_not_cancel(
    registry: OriginRegistry, write: Write, music: Sound, with_lines: Sound
) -> None:
    """Their mean is silent; they are not."""
    samples = with_lines(music(905), SPACINGS["even"])
    assert registry.identify(write(np.stack([samples, -samples]))).generator == "even"


def test_silence_and_scraps_are_errors(
    registry: OriginRegistry, write: Write, tmp_path: Path, music: Sound
) -> None:
    """One clear line each."""
    with pytest.raises(AudioError, match="silent"):
        registry.identify(write(np.zeros(10 * RATE, np.float32)))
    with pytest.raises(AudioError, match="at least 4 s"):
        registry.identify(write(music(1, 2.0)))
    (tmp_path / "x.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match="not audio"):
        registry.identify(tmp_path / "x.wav")


def test_damage_is_told(tmp_path: Path, generated: dict[str, list[Path]]) -> None:
    """Altered residuals and other formats are refused, and what to do is said."""
    OriginRegistry.open(tmp_path).enroll("a", generated["even"])
    (rows,) = tmp_path.glob("*.npz")
    whole = rows.read_bytes()
    rows.write_bytes(whole[:-9])
    with pytest.raises(MatchIndexError, match="altered"):
        OriginRegistry.open(tmp_path)
    rows.write_bytes(whole)
    (about,) = tmp_path.glob("*.json")
    about.write_text(json.dumps({**json.loads(about.read_text()), "format": 99}))
    with pytest.raises(MatchIndexError, match=r"format 99.*Upgrade"):
        OriginRegistry.open(tmp_path)
    about.write_text(json.dumps({**json.loads(about.read_text()), "format": 3}))
    with pytest.raises(MatchIndexError, match=r"Remove the folder .* and enrol again"):
        OriginRegistry.open(tmp_path)
    about.write_text("{")
    with pytest.raises(MatchIndexError, match="damaged"):
        OriginRegistry.open(tmp_path)
