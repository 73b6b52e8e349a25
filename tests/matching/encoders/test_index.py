"""The index of an encoder: what is like a piece, how seldom, and what survives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from contrafact.core.errors import MatchIndexError, MatchingError
from contrafact.matching.encoders import (
    Embedding,
    Encoder,
    EncoderIndex,
    load_encoder,
)

from .conftest import write_clap

N_WORKS, N_WINDOWS = 40, 6


def embedding(vectors: np.ndarray, *, hop_s: float = 1.0) -> Embedding:
    """Return vectors as those of windows of two seconds."""
    starts = np.arange(len(vectors)) * hop_s
    return Embedding(
        start_s=starts,
        vectors=vectors.astype(np.float32),
        window_s=2.0,
        duration_s=float(starts[-1]) + 2.0,
    )


def piece(work: int, *, version: int = 0, noise: float = 0.3) -> np.ndarray:
    """Return vectors that are much the same for every version of a work."""
    own = np.random.default_rng([1, work]).normal(size=(N_WINDOWS, 8))
    other = np.random.default_rng([2, work, version]).normal(size=(N_WINDOWS, 8))
    return own + noise * other + 2.0  # and something that all have in common


@pytest.fixture(scope="module")
def encoder(folders: dict[str, Path]) -> Encoder:
    """One that compares by cosine."""
    return load_encoder("clap", folders["clap"])


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder) -> EncoderIndex:
    """Forty works, one recording each."""
    made = EncoderIndex.create(tmp_path / "index", encoder)
    for work in range(N_WORKS):
        made.add(f"r{work}", f"w{work}", embedding(piece(work)))
    return made


def test_another_version_of_a_work_is_found(index: EncoderIndex) -> None:
    """With the windows that belong together, best first."""
    query = embedding(piece(7, version=1))
    first, *rest = index.identify(query)
    assert first.recording_id == "r7"
    assert first.p_value == pytest.approx(1 / (N_WORKS + 1))
    assert all(m.p_value <= 0.05 for m in rest)
    for span in first.spans:
        assert span.query_start_s == span.reference_start_s
        assert span.query_end_s - span.query_start_s == 2.0
    assert index.rank(query)[0][0] == "r7"


def test_an_excerpt_is_found_where_it_is(index: EncoderIndex) -> None:
    """Two windows of six, in the middle of the recording."""
    query = embedding(piece(9, version=1, noise=0.1)[3:5])
    first = index.identify(query)[0]
    assert first.recording_id == "r9"
    assert {(s.query_start_s, s.reference_start_s) for s in first.spans} == {
        (0.0, 3.0), (1.0, 4.0),
    }  # fmt: skip


def test_what_is_like_nothing_is_seldom_answered(index: EncoderIndex) -> None:
    """As often as the p-value allows, and not much more."""
    n_answered = sum(
        bool(index.identify(embedding(piece(work)), max_p=0.1))
        for work in range(1_000, 1_200)
    )
    assert 4 <= n_answered <= 36


def test_a_recording_like_everything_is_like_nothing(index: EncoderIndex) -> None:
    """It is measured by what others reach with it, not by how near it is to all."""
    middle = np.mean([piece(work) for work in range(N_WORKS)], axis=0)
    index.add("hub", "hub", embedding(np.repeat(middle.mean(0)[None], 6, axis=0)))
    first = index.rank(embedding(piece(7, version=1)))[0][0]
    assert first == "r7"


def test_too_few_works_say_nothing(tmp_path: Path, encoder: Encoder) -> None:
    """Eighteen recordings of other works are no cohort; none is an empty answer."""
    made = EncoderIndex.create(tmp_path / "few", encoder)
    assert made.identify(embedding(piece(0))) == ()
    assert made.rank(embedding(piece(0))) == []
    for work in range(18):
        made.add(f"r{work}", f"w{work}", embedding(piece(work)))
    assert made.identify(embedding(piece(0, version=1))) == ()
    assert made.rank(embedding(piece(0, version=1)))[0][0] == "r0"


def test_what_was_written_is_read_again(
    index: EncoderIndex, tmp_path: Path, encoder: Encoder
) -> None:
    """By a process that opens it to read, with the same answers."""
    query = embedding(piece(3, version=1))
    again = EncoderIndex.open(tmp_path / "index", encoder)
    assert again.recording_ids == index.recording_ids
    assert again.works == {f"r{w}": f"w{w}" for w in range(N_WORKS)} | {}
    assert again.identify(query) == index.identify(query)
    with pytest.raises(MatchIndexError, match="opened to read"):
        again.add("new", "new", query)
    with pytest.raises(MatchIndexError, match="opened to read"):
        again.delete("r3")


def test_adding_and_deleting_are_as_building_anew(
    index: EncoderIndex, tmp_path: Path, encoder: Encoder
) -> None:
    """Nothing that was counted before is left."""
    query = embedding(piece(5, version=1))
    index.identify(query)
    index.delete("r5")
    assert "r5" not in dict(index.rank(query))
    index.add("r5", "w5", embedding(piece(5, version=2)))
    index.add("r5", "w5", embedding(piece(5)))
    anew = EncoderIndex.create(tmp_path / "anew", encoder)
    for work in reversed(range(N_WORKS)):
        anew.add(f"r{work}", f"w{work}", embedding(piece(work)))
    assert index.identify(query) == anew.identify(query)
    with pytest.raises(MatchingError, match="no recording 'none'"):
        index.delete("none")


def test_recordings_can_be_left_out_of_an_answer(index: EncoderIndex) -> None:
    """Such as the query itself."""
    query = embedding(piece(4))
    assert index.identify(query)[0].recording_id == "r4"
    assert "r4" not in {m.recording_id for m in index.identify(query, without=["r4"])}
    assert "r4" not in dict(index.rank(query, without=["r4"]))


def test_other_weights_are_refused(index: EncoderIndex, tmp_path: Path) -> None:
    """Their vectors could not be compared."""
    (tmp_path / "other").mkdir()
    write_clap(tmp_path / "other", seed=3)
    other = load_encoder("clap", tmp_path / "other")
    with pytest.raises(MatchIndexError, match="other weights"):
        EncoderIndex.open(tmp_path / "index", other)
    with pytest.raises(MatchingError, match="8 numbers"):
        index.identify(embedding(np.ones((2, 5))))


def test_damage_is_one_error_that_says_where(
    index: EncoderIndex, tmp_path: Path, encoder: Encoder
) -> None:
    """A recording's file that was cut, changed, or is something else."""
    del index
    file = sorted((tmp_path / "index" / "recordings").glob("*.safetensors"))[0]
    whole = file.read_bytes()
    changed = whole[:-9] + bytes([whole[-9] ^ 255]) + whole[-8:]
    for data in (b"", whole[: len(whole) // 2], changed, b"x" * 400):
        file.write_bytes(data)
        with pytest.raises(MatchIndexError, match="damaged"):
            EncoderIndex.open(tmp_path / "index", encoder)
    file.write_bytes(whole)
    assert len(EncoderIndex.open(tmp_path / "index", encoder).recording_ids) == N_WORKS
    shutil.rmtree(tmp_path / "index" / "recordings")
    (tmp_path / "index" / "index.json").write_text("{")
    with pytest.raises(MatchIndexError, match="no index of an encoder"):
        EncoderIndex.open(tmp_path / "index", encoder)


def test_what_was_counted_is_counted_again_if_it_is_damaged(
    index: EncoderIndex, tmp_path: Path, encoder: Encoder
) -> None:
    """It saves time, and is never believed without its checksum."""
    query = embedding(piece(3, version=1))
    before = index.identify(query)
    (file,) = (tmp_path / "index" / "cohorts").glob("6-*.safetensors")
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    assert EncoderIndex.open(tmp_path / "index", encoder).identify(query) == before


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, encoder: Encoder
) -> None:
    """No index is made among other files."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(MatchIndexError, match="empty folder"):
        EncoderIndex.create(tmp_path, encoder)
    with pytest.raises(MatchIndexError, match="no index"):
        EncoderIndex.open(tmp_path / "none", encoder)


def test_what_all_have_in_common_says_nothing(
    index: EncoderIndex, tmp_path: Path, encoder: Encoder
) -> None:
    """However large it is: networks of sound make vectors that are nearly one."""
    shifted = EncoderIndex.create(tmp_path / "shifted", encoder)
    for work in range(N_WORKS):
        shifted.add(f"r{work}", f"w{work}", embedding(piece(work) + 40.0))
    plain = index.rank(embedding(piece(7, version=1)))
    moved = shifted.rank(embedding(piece(7, version=1) + 40.0))
    assert [name for name, _ in moved] == [name for name, _ in plain]
    np.testing.assert_allclose(
        [height for _, height in moved], [height for _, height in plain], atol=0.01
    )


def test_what_was_counted_does_not_pile_up(index: EncoderIndex, tmp_path: Path) -> None:
    """It goes when the recordings change that it was counted of."""
    index.identify(embedding(piece(3)))
    assert len(list((tmp_path / "index" / "cohorts").iterdir())) == 1
    index.delete("r3")
    assert not list((tmp_path / "index" / "cohorts").iterdir())
