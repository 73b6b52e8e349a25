"""What a mark refers to: the receipt of an attribution, the release of a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.errors import AttributionError, ConfigError
from contrafact.core.units import digest_of
from contrafact.workflows.stores import home_of_attribution

__all__ = ["Receipt", "ReleaseFacts", "find_receipt", "release_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The document of an attribution, as it was kept.

    Attributes:
        id: Of the attribution.
        digest: SHA-256 of the document; what marks name it by.
        song: The workspace's copy of the song that was explained.
        made: What it says made the song: prompt, model and model digest.
    """

    id: str
    digest: str
    song: Path
    made: dict[str, str | None]


def find_receipt(workspace: Workspace, attribution_id: str) -> Receipt:
    """Return the receipt of an attribution, by its id or how the id begins.

    Raises:
        AttributionError: If there is none, more than one, or it is damaged.
    """
    store = home_of_attribution(workspace, attribution_id)
    found = sorted(store.attributions_dir.glob("*/attribution.json"))
    named = [p for p in found if p.parent.name.startswith(attribution_id)]
    if len(named) != 1 or not attribution_id:
        count = "no attribution" if not named else "more than one attribution"
        raise AttributionError(
            f"There is {count} {attribution_id!r} in {workspace.root}. Make one with "
            "`contrafact attribute`, or give the whole id."
        )
    data = named[0].read_bytes()
    try:
        return _receipt(named[0].parent, json.loads(data), digest_of(data))
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise AttributionError(
            f"{named[0]} is damaged. Attribute the song again."
        ) from error


def _receipt(folder: Path, document: Any, digest: str) -> Receipt:
    return Receipt(
        id=document["attribution_id"],
        digest=digest,
        song=next(iter(sorted(folder.glob("query.*")))),
        made={
            "prompt": document["query"]["prompt"] or None,
            "model": document["model"]["id"],
            "model_digest": document["model"]["digest"],
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """What a mark says of where a model comes from; None where not known.

    Attributes:
        id: Of the release.
        corpus_root: Root of the manifest of the model's corpus.
    """

    id: str | None = None
    corpus_root: str | None = None


def release_facts(
    workspace: Workspace,
    model_digest: str | None,
    *,
    model: str | None = None,
    release: str | None = None,
) -> ReleaseFacts:
    """Return the release and the corpus of a model.

    Args:
        workspace: Where the releases are.
        model_digest: Of the model; None if it is not known.
        model: Its name, if known; a licensed and a marked model may be the same
            weights.
        release: Id of the release; the model's last one if None.

    Raises:
        ConfigError: If the release is one of another model.
        ReleaseError: If there is no such release.
    """
    # Imported here: they need torch, which reading marks does not.
    from contrafact.workflows.models import all_models
    from contrafact.workflows.releases import find_release, release_of_model

    if release is not None:
        found = find_release(workspace, release)
        if model_digest is not None and found.model_digest != model_digest:
            raise ConfigError(
                f"Release {found.id} is of the model {found.model_digest[:12]}; the "
                f"file was made by {model_digest[:12]}. Name the release of that one."
            )
        return ReleaseFacts(id=found.id, corpus_root=found.corpus["root"])
    if model_digest is None:
        return ReleaseFacts()
    if last := release_of_model(workspace, model_digest, model=model):
        return ReleaseFacts(id=last.id, corpus_root=last.corpus["root"])
    roots = (m.manifest_root for m in all_models(workspace) if m.digest == model_digest)
    return ReleaseFacts(corpus_root=next(roots, None) or None)
