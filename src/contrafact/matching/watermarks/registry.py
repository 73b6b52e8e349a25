"""Every watermark by name, and how it is made ready.

A scheme is given what it needs: a key for ours, a folder of weights for those
whose makers publish them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contrafact.core.errors import WatermarkError
from contrafact.matching.watermarks.audioseal import AudioSeal
from contrafact.matching.watermarks.base import Watermark
from contrafact.matching.watermarks.patchwork import Patchwork
from contrafact.matching.watermarks.perth import Perth
from contrafact.matching.watermarks.silentcipher import SilentCipher
from contrafact.matching.watermarks.wavmark import WavMark

__all__ = ["DEFAULT", "WATERMARKS", "Needs", "open_watermark"]

DEFAULT = "patchwork"
"""The best of those that need nothing from elsewhere; see docs/watermarks.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a watermark may be given.

    Attributes:
        key: For schemes with a key.
        weights: The folder of the scheme's safetensors files.
    """

    key: bytes
    weights: Path | None = None


Maker = Callable[[Needs], Watermark]


def _with_weights(name: str, load: Callable[[Path], Watermark]) -> Maker:
    def make(needs: Needs) -> Watermark:
        if needs.weights is None:
            raise WatermarkError(
                f"{name} needs the weights of its makers, and nothing is fetched. Name "
                "their folder with --weights; docs/watermarks.md says how to make it."
            )
        return load(needs.weights)

    return make


WATERMARKS: dict[str, Maker] = {
    "patchwork": lambda needs: Patchwork(needs.key),
    "perth": lambda needs: Perth.load(),
    "audioseal": _with_weights("audioseal", AudioSeal.load),
    "wavmark": _with_weights("wavmark", WavMark.load),
    "silentcipher": _with_weights("silentcipher", SilentCipher.load),
}
"""Every watermark by name."""


def open_watermark(name: str, needs: Needs) -> Watermark:
    """Return a watermark that is ready for use.

    Raises:
        WatermarkError: If there is none of that name, or its package or weights
            are missing or damaged.
    """
    if name not in WATERMARKS:
        raise WatermarkError(
            f"There is no watermark '{name}'. Those known are {', '.join(WATERMARKS)}."
        )
    return WATERMARKS[name](needs)
