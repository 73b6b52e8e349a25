"""Fingerprint matches: is this recording in that piece of audio?

Found whatever was done to the recording: codecs, noise, rooms, filters, cuts,
mixes, other speed, pitch or tempo. Another performance of the same work is not
the same recording; `versions` is for that.
"""

from contrafact.matching.fingerprint._spectrum import SAMPLE_RATE
from contrafact.matching.fingerprint.index import FingerprintIndex

__all__ = ["SAMPLE_RATE", "FingerprintIndex"]
