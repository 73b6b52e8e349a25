"""Which generator made it, known by what its decoder leaves in the sound.

Classes are enrolled from recordings alone. Each kind of evidence is a file of
its own, calibrated on recordings by people; `joining` makes one answer of them,
which may be that it cannot be said. Models that are held are asked in
`reconstruction` and `likelihood`, the only files here that need torch.
"""

from contrafact.matching.origin._files import Enrolled, Source
from contrafact.matching.origin.calibration import MIN_HUMANS
from contrafact.matching.origin.chain import MIN_S
from contrafact.matching.origin.joining import Rules
from contrafact.matching.origin.registry import MIN_ENROLMENT_S, OriginRegistry

__all__ = [
    "MIN_ENROLMENT_S",
    "MIN_HUMANS",
    "MIN_S",
    "Enrolled",
    "OriginRegistry",
    "Rules",
    "Source",
]
