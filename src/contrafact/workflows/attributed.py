"""What was attributed in a workspace, as the ledger takes it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Facts, Size
from contrafact.ledger.codecs import attribution_records
from contrafact.ledger.records import OutputAttribution

__all__ = ["corpus_facts", "read_attributions"]


def read_attributions(
    workspace: Workspace,
) -> tuple[dict[str, dict[str, OutputAttribution]], list[str]]:
    """Return the workspace's attributions by kind of source and output.

    Where an output was attributed more than once, one that was calibrated by
    retraining is taken before others, one of the estimator `index` before
    others, and then the smallest id. A notice says so.
    """
    found: dict[str, dict[str, OutputAttribution]] = defaultdict(dict)
    chosen: dict[str, tuple[bool, bool, str]] = {}
    notices = []
    for path in sorted(workspace.attributions_dir.glob("*/attribution.json")):
        try:
            document = json.loads(path.read_text("utf-8"), parse_float=Decimal)
            rank = (
                not document["is_calibrated"],
                document["estimator"]["name"] != "index",
                document["attribution_id"],
            )
            output = document["query"]["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise AllocationError(
                f"{path} is damaged ({error}). Delete it and attribute again."
            ) from error
        if output in chosen:
            used, other = sorted([chosen[output], rank])
            notices.append(f"{used[2]} is used for its song, not {other[2]}.")
            if used != rank:
                continue
        chosen[output] = rank
        for kind, attribution in attribution_records(document).items():
            found[kind][output] = attribution
    return dict(found), notices


def corpus_facts(
    right: str,
    recordings: Sequence[Recording],
    attributions: Mapping[str, OutputAttribution],
) -> Facts:
    """Return sizes and catalogues of what the attributed corpora hold.

    A catalogue is a recording's label, else its collection, else its first
    artist. Without attributions, the corpus is all that is in the catalog.

    Args:
        right: `master` for recordings, `composition` for works.
        recordings: Of the catalog.
        attributions: By output, of that kind of source.
    """
    corpus = {s.source_id for a in attributions.values() for s in a.shares}
    catalogues, works = {}, {}
    n: dict[str, int] = defaultdict(int)
    length: dict[str, int] = defaultdict(int)
    for r in recordings:
        source = r.id if right == "master" else r.work_id
        if source is None or (corpus and source not in corpus):
            continue
        n[source] += 1
        length[source] += round(r.duration_s * 1000)
        catalogues[str(source)] = r.label or r.group or next(iter(r.artists), source)
        if right == "master" and r.work_id:
            works[str(source)] = str(r.work_id)
    sizes = {s: Size(n_recordings=n[s], duration_ms=length[s]) for s in sorted(n)}
    return Facts(sizes=sizes, catalogues=catalogues, works=works)
