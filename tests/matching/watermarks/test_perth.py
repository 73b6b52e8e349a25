from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrafact.core.errors import WatermarkError
from contrafact.matching.watermarks import perth
from contrafact.matching.watermarks.perth import Perth

from .conftest import RATE, melody

NONE = np.zeros(0, dtype=np.uint8)


def test_mark_is_told_from_none() -> None:
    """The published network sees its own mark and none where there is none."""
    song, watermark = melody(5), Perth.load()
    assert not watermark.detect(song, RATE).is_found
    assert watermark.detect(watermark.embed(song, RATE, NONE), RATE).is_found


def test_other_weights_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not the examined one is refused before it is read as weights."""
    path = tmp_path / perth._WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    monkeypatch.setattr(perth, "folder_of_package", lambda *_, **__: tmp_path)
    with pytest.raises(WatermarkError, match="not opened"):
        Perth.load()


def test_missing_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says how to install it."""
    from contrafact.matching.watermarks import packages

    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(WatermarkError, match=r"contrafact\[perth\]"):
        Perth.load()
