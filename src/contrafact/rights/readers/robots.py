"""`robots.txt` and `ai.txt`: places that their owners keep crawlers out of.

Read for reservations only, and for the files below the folder that the text
lies in. A rule counts if it is for everybody or for a crawler that gathers
training data; so do the `Content-Usage` lines of the IETF draft on AI
preferences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from contrafact.core.errors import RightsFileError
from contrafact.rights._lookup import location_of
from contrafact.rights.consent import Consent, Right, SubjectKind, Use
from contrafact.rights.readers._problems import ProblemLog

__all__ = ["CRAWLERS", "read_robots"]

CRAWLERS = (
    "ai2bot",
    "amazonbot",
    "anthropic-ai",
    "applebot-extended",
    "bytespider",
    "ccbot",
    "claudebot",
    "cohere-training-data-crawler",
    "diffbot",
    "facebookbot",
    "google-extended",
    "gptbot",
    "meta-externalagent",
    "omgili",
    "spawning-ai",
    "timpibot",
)
"""Names of crawlers that gather training data, in small letters."""

_N_BYTES = 1 << 20
_MINING = (Use.TEXT_AND_DATA_MINING, Use.TRAIN_GENERATIVE, Use.TRAIN_NON_GENERATIVE)
_PREFERENCES = {
    "train-ai": (Use.TRAIN_GENERATIVE, Use.TRAIN_NON_GENERATIVE),
    "train-genai": (Use.TRAIN_GENERATIVE,),
    "ai-use": (Use.REFERENCE_CONDITIONING,),
    "bots": _MINING,
    "all": _MINING,
    "tdm": _MINING,
}

Rule = tuple[int, str, tuple[Use, ...]]


def read_robots(path: Path, problems: ProblemLog, *, digest: str) -> Iterator[Consent]:
    """Yield the reservations of a text.

    Args:
        path: A `robots.txt` or `ai.txt`.
        problems: Told if it reserves nothing.
        digest: SHA-256 of the file.

    Raises:
        RightsFileError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_N_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise RightsFileError(f"Cannot read {path}: {error.strerror}.") from error
    rules = list(_rules(text))
    if not rules:
        problems.note(str(path), "it reserves nothing, which is no permission.")
    folder = path.absolute().parent
    root = folder.parent if folder.name == ".well-known" else folder
    for number, pattern, uses in rules:
        for use in uses:
            for right in Right:
                yield Consent(
                    right=right,
                    subject_kind=SubjectKind.LOCATION,
                    subject_id=location_of(str(root), pattern),
                    grantor="",
                    use=use,
                    is_allowed=False,
                    source=f"{path.name}:{number}",
                    source_digest=digest,
                )


def _rules(text: str) -> Iterator[Rule]:
    """Yield line number, pattern and uses of each reservation (RFC 9309)."""
    agents: list[str] = []
    is_head = False
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, value = line.partition("#")[0].partition(":")
        key, value = name.strip().casefold(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            agents = [*agents, value.casefold()] if is_head else [value.casefold()]
            is_head = True
            continue
        is_head = False
        is_meant = any(agent == "*" or agent in CRAWLERS for agent in agents)
        if key == "disallow" and value and is_meant:
            yield number, value, _MINING
        elif key == "content-usage" and (is_meant or not agents):
            yield from _preferences(number, value)


def _preferences(number: int, value: str) -> Iterator[Rule]:
    """Yield what a line such as `Content-Usage: /music/ train-ai=n` reserves."""
    head, _, rest = value.partition(" ")
    pattern, said = (head, rest) if head.startswith("/") else ("/", value)
    for part in re.split(r"[,\s]+", said):
        name, _, answer = part.partition("=")
        if answer == "n" and name in _PREFERENCES:
            yield number, pattern, _PREFERENCES[name]
