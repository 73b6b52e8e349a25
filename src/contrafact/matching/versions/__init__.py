"""Which works a piece of audio is like, though it is another performance.

Audio becomes notes; melody, harmony and rhythm are each compared on their own,
with spans in both, and together. Every answer carries p-values calibrated on
unrelated works of the same catalog. What is found is likeness, not influence.
"""

from contrafact.matching.versions.index import VersionIndex
from contrafact.matching.versions.transcription import SAMPLE_RATE, WINDOW_S, Hearing

__all__ = ["SAMPLE_RATE", "WINDOW_S", "Hearing", "VersionIndex"]
