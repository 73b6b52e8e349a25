"""Evidence as a JSON document, with titles and artists in it.

The same evidence gives the same document, byte for byte: there is no time in
it, so that it can be signed, compared and made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.evidence import NOT_MEASURED, EncoderMatch, Evidence, StyleMatch
from contrafact.core.matches import AspectMatch, RecordingMatch, WorkMatch
from contrafact.matching.evidence import is_whole

__all__ = ["Names", "document", "read_names"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the catalog calls its recordings and works.

    Attributes:
        recordings: Title, artist and file by the recording's id.
        works: Title by the work's id.
    """

    recordings: dict[str, tuple[str, str | None, str]]
    works: dict[str, str]

    def title(self, recording_id: str) -> str:
        """Return the title of a recording; its id if it is not known."""
        return self.recordings.get(recording_id, (recording_id, None, ""))[0]

    def work_title(self, work_id: str) -> str:
        """Return the title of a work, or of the recording that stands for it."""
        return self.works.get(work_id) or self.title(work_id)


def read_names(workspace: Workspace) -> Names:
    """Read what a workspace's catalog calls everything in it."""
    with workspace.catalog() as catalog:
        parties = {p.id: p.name for p in catalog.parties()}
        works = {str(w.id): w.title for w in catalog.works()}
        recordings = catalog.recordings()
    return Names(
        recordings={
            str(r.id): (
                r.title,
                "; ".join(parties[a] for a in r.artists) or None,
                r.file,
            )
            for r in recordings
        },
        works=works,
    )


def document(evidence: Evidence, names: Names) -> Json:
    """Return evidence as plain JSON, lists best first.

    An empty list says that nothing was certain enough, unless `not_measured`
    names the layer: then nobody looked.
    """
    e = evidence
    layers = ("recordings", "works", "style", "origin", "tags", "credentials")
    return {
        "file": e.file,
        "digest": e.digest or None,
        "duration_s": e.duration_s,
        "listened_s": [e.start_s, e.end_s],
        "problem": e.problem or None,
        "notices": list(e.notices),
        "not_measured": [name for name in layers if getattr(e, name) is None],
        "recordings": _listed(e.recordings, lambda m: _recording(m, e, names)),
        "works": _listed(e.works, lambda m: _work(m, names)),
        "style": _listed(e.style, lambda m: _style(m, names)),
        "encoders": {
            name: [_encoded(match, names) for match in matches]
            for name, matches in e.encoders.items()
        },
        "origin": NOT_MEASURED if e.origin is None else e.origin.to_json(),
        "tags": NOT_MEASURED if e.tags is None else dict(e.tags),
        "credentials": NOT_MEASURED if e.credentials is None else dict(e.credentials),
    }


def _listed(found: Sequence[Any] | None, one: Callable[[Any], Json]) -> list[Json]:
    return [one(match) for match in found or ()]


def _recording(match: RecordingMatch, evidence: Evidence, names: Names) -> Json:
    title, artist, file = names.recordings.get(
        match.recording_id, (match.recording_id, None, "")
    )
    plain = asdict(match)
    name = plain.pop("recording_id")
    named = {"recording_id": name, "title": title, "artist": artist, "file": file}
    kind = "same recording" if is_whole(match, evidence) else "partial reuse"
    return {**named, **_rounded(plain), "kind": kind}


def _work(match: WorkMatch, names: Names) -> Json:
    return {
        "work_id": match.work_id,
        "title": names.work_title(match.work_id),
        "recording_id": match.recording_id,
        "joint": match.joint,
        "aspects": {name: _aspect(one) for name, one in match.aspects.items()},
        "transposition_semitones": match.transposition_semitones,
        "tempo_ratio": round(match.tempo_ratio, 4),
    }


def _aspect(aspect: AspectMatch) -> Json:
    return {
        "score": round(aspect.score, 4),
        "p_value": aspect.p_value,
        "intervals": [_rounded(asdict(span)) for span in aspect.spans],
    }


def _style(match: StyleMatch, names: Names) -> Json:
    title, artist, _ = names.recordings.get(
        match.recording_id, (match.recording_id, None, "")
    )
    return {**asdict(match), "title": title, "artist": artist}


def _encoded(match: EncoderMatch, names: Names) -> Json:
    title, artist, _ = names.recordings.get(
        match.recording_id, (match.recording_id, None, "")
    )
    return {
        "recording_id": match.recording_id,
        "title": title,
        "artist": artist,
        "score": match.score,
        "p_value": match.p_value,
        "intervals": [_rounded(asdict(span)) for span in match.spans],
    }


def _rounded(plain: Json) -> Json:
    return {k: round(v, 3) if _is_time(k) else v for k, v in plain.items()}


def _is_time(name: str) -> bool:
    return name.endswith(("_s", "_semitones", "_ratio"))
