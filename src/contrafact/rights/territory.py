"""Where a right is granted or reserved: countries, as exact sets.

The world is the list of ISO 3166-1 countries below, so that "worldwide" and
the list of all countries are the same territory, and every question about
territories is one of plain sets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from contrafact.core.errors import ConsentError

__all__ = ["COUNTRIES", "WORLDWIDE", "Territory"]

_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL "
    "BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV "
    "CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD "
    "GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM "
    "IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK "
    "LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW "
    "MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR "
    "PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS "
    "ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY "
    "UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_CODES.split())
"""Countries by ISO 3166-1 alpha-2, and XK for Kosovo, as DDEX has it."""

_WORLD = ("worldwide", "world", "ww", "*")
_MEANT = {"UK": "GB", "EL": "GR"}


@dataclass(frozen=True, slots=True)
class Territory:
    """A set of countries; see `parse` for how it is written.

    Example:
        >>> france = Territory.parse("FR")
        >>> Territory.parse("worldwide -CN").covers(france)
        True
    """

    countries: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a territory.

        Args:
            text: `worldwide`; countries as in `DE FR`; or countries left out
                of the world, as in `worldwide -CN -RU` or `worldwide except CN`.
                Blanks, `,`, `;` and `|` part them.

        Raises:
            ConsentError: If a part of it is no country, or nothing is left.
        """
        return cls(_parsed(" ".join(text.split())))

    def covers(self, other: Territory) -> bool:
        """Tell whether all of the other territory lies in this one."""
        return other.countries <= self.countries

    def overlaps(self, other: Territory) -> bool:
        """Tell whether the two have a country in common."""
        return not self.countries.isdisjoint(other.countries)

    def __str__(self) -> str:
        """Return the shortest text that `parse` reads as this territory."""
        return _written(self.countries)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> frozenset[str]:
    words = re.split(r"[\s,;|]+", text.strip(" ,;|"))
    first, rest = words[0].casefold(), words[1:]
    if first in _WORLD and rest[:1] == ["except"]:
        found = COUNTRIES - {_country(word) for word in rest[1:]}
    elif first in _WORLD:
        if any(not word.startswith("-") for word in rest):
            raise ConsentError(
                f"Territory '{text}' names the world and more. Put '-' in front of "
                "countries that are left out."
            )
        found = COUNTRIES - {_country(word[1:]) for word in rest}
    else:
        found = frozenset(_country(word) for word in words)
    if not found:
        raise ConsentError(f"Territory '{text}' leaves no country. Correct it.")
    return COUNTRIES if found == COUNTRIES else found


def _country(word: str) -> str:
    code = word.upper()
    if code in COUNTRIES:
        return code
    meant = _MEANT.get(code)
    advice = f"Write {meant}" if meant else "Write ISO 3166 codes such as DE or US"
    raise ConsentError(f"'{word}' is no country. {advice}, or 'worldwide'.")


@lru_cache(maxsize=4096)
def _written(countries: frozenset[str]) -> str:
    missing = sorted(COUNTRIES - countries)
    if len(missing) < len(countries):
        return " ".join(["worldwide", *(f"-{code}" for code in missing)])
    return " ".join(sorted(countries))


WORLDWIDE = Territory(COUNTRIES)
"""Every country."""
