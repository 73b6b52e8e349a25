"""Marks inside the sound: put in, read back, and said to be absent."""

from __future__ import annotations

from contrafact.matching.watermarks.base import Bits, Detection, Samples, Watermark
from contrafact.matching.watermarks.patchwork import Patchwork
from contrafact.matching.watermarks.registry import (
    DEFAULT,
    WATERMARKS,
    Needs,
    open_watermark,
)

__all__ = [
    "DEFAULT",
    "WATERMARKS",
    "Bits",
    "Detection",
    "Needs",
    "Patchwork",
    "Samples",
    "Watermark",
    "open_watermark",
]
