"""Attribution of a song: which recordings shaped it, and how much."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import torch

from contrafact.attribution.base import Estimator, Scores
from contrafact.attribution.estimators import PREDICTS_RISE, make_estimator
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.familiarity import N_DRAWS, learned_part
from contrafact.attribution.hubs import check_hubs
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import ShareSettings, shares_of
from contrafact.catalog import Workspace, write_json
from contrafact.catalog.atomic import write_bytes
from contrafact.catalog.files import digest_file
from contrafact.core.errors import AttributionError, ConfigError
from contrafact.core.results import (
    Attribution,
    QueryInfo,
    SourceKind,
    attribution_to_json,
)
from contrafact.generators.base import Untrainable
from contrafact.workflows import calibration
from contrafact.workflows.asked import Asked, ask, measure
from contrafact.workflows.index import (
    check_digest,
    copies_in,
    index_dir,
    least_learned_of,
    stamp_of,
)
from contrafact.workflows.passages import find_passages
from contrafact.workflows.profile import profile_of
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.report import query_copy, write_report
from contrafact.workflows.sources import artist_names, sources_of
from contrafact.workflows.stores import home_of
from contrafact.workflows.train import versions

__all__ = [
    "attribute",
    "ready_estimator",
    "scores_of",
]

_MOST_SEMITONES = 6


def attribute(  # noqa: PLR0913 - options of a command
    workspace: Workspace,
    audio: Path,
    *,
    model: str,
    estimator: str = "index",
    by: str = "artist",
    level: float = 0.9,
    prompt: str | None = None,
    pitch_range: int = 0,
    report: Path | None = None,
    listen: bool = True,
    progress: Progress = silent,
    command: str = "",
) -> Attribution:
    """Say which recordings shaped a song, how much, and how sure that is.

    Args:
        workspace: Where model, catalog and index are.
        audio: The song.
        model: Name of the model that made it.
        estimator: Name of the method.
        by: The kind of source that gets the shares.
        level: Of the intervals; of the sources named as significant, up to half of
            what is missing to 1 may be false.
        prompt: What the song was made from; its tags are read if None.
        pitch_range: Semitones up and down within which to look for the pitch at
            which the model knows the song best; 0 takes the song as it is.
        report: Where to write an HTML report, if anywhere.
        listen: Whether to look for the passages that matched.
        progress: Told about every part.
        command: What the user typed, for the report.

    Raises:
        ConfigError: If there is no such estimator or kind of source, or the level
            is not between 0 and 1.
        AttributionError: If the estimator's answers hardly depend on the song.
        NotFittedError: If the index was not built.
        QueryError: If the song cannot be attributed.
    """
    if by not in get_args(SourceKind):
        raise ConfigError(
            f"No kind of source {by!r}; there are {get_args(SourceKind)}."
        )
    if not 0 < level < 1:
        raise ConfigError(f"level must be between 0 and 1; found {level}.")
    workspace = home_of(workspace, model)
    asked = ask(
        workspace, audio, model=model, prompt=prompt,
        pitches=_within(pitch_range), progress=progress,
    )  # fmt: skip
    started = time.monotonic()
    method = ready_estimator(workspace, asked, estimator, progress)
    progress("attributing", 0, 1)
    copies = copies_in(index_dir(workspace, asked.record))
    scores = scores_of(method, asked, copies)
    check_hubs(scores, estimator=estimator)
    result = _assembled(
        workspace, asked, method, scores, by=cast(SourceKind, by), level=level
    )
    if listen and result.query.is_known:
        result = _listened(workspace, asked, method, scores, result)
    progress("attributing", 1, 1)
    result = replace(result, command=command, elapsed_s=time.monotonic() - started)
    folder = workspace.attributions_dir / result.attribution_id
    write_bytes(query_copy(workspace, result), audio.read_bytes())
    write_json(folder / "attribution.json", attribution_to_json(result))
    if report is not None:
        write_report(workspace, result, None, report)
    return result


def _within(pitch_range: int) -> list[float]:
    """Return 0, 1, -1, 2, -2 and so on.

    Raises:
        ConfigError: If the range is not from 0 to 6.
    """
    if not 0 <= pitch_range <= _MOST_SEMITONES:
        raise ConfigError(
            f"The pitch range must be from 0 to {_MOST_SEMITONES} semitones; found "
            f"{pitch_range}."
        )
    moved = range(1, pitch_range + 1)
    return [0.0, *(float(x) for step in moved for x in (step, -step))]


def ready_estimator(
    workspace: Workspace, asked: Asked, name: str, progress: Progress
) -> Estimator:
    """Return the estimator of this name, fitted to the model and its corpus."""
    method = make_estimator(name)
    if isinstance(method, IndexEstimator):
        folder = index_dir(workspace, asked.record)
        opened = method.open(asked.task, folder)
        check_digest(folder, opened.digest())
        return opened
    folder = workspace.cache_dir / name / asked.record.digest[:12]
    return method.fit(asked.task, folder, progress=stage_progress(progress, name))


def scores_of(
    method: Estimator, asked: Asked, copies: Mapping[str, str] | None = None
) -> Scores:
    """Return the scores of the whole song, its windows weighed by length.

    Args:
        method: Fitted.
        asked: The song.
        copies: The cluster of recordings that are copies by their sound.

    Raises:
        AttributionError: If it cannot be scored; the song is named.
    """
    try:
        found = method.score(asked.queries)
    except AttributionError as error:
        raise type(error)(f"{asked.audio.name}: {error}") from error
    overlap = found.overlap
    if overlap is not None and copies:
        overlap = replace(overlap, same_sound=copies)
    weight = asked.weights
    replicates = found.replicates
    if replicates is not None:
        replicates = torch.einsum("q,qabn->abn", weight, replicates)[None]
    return Scores(
        values=(weight @ found.values)[None],
        recording_ids=found.recording_ids,
        replicates=replicates,
        panel=found.panel,
        overlap=overlap,
        null=found.null,
    )


def _assembled(
    workspace: Workspace,
    asked: Asked,
    method: Estimator,
    scores: Scores,
    *,
    by: SourceKind,
    level: float,
) -> Attribution:
    info = _query_info(asked, index_dir(workspace, asked.record))
    is_influence = method.name in PREDICTS_RISE
    scale = None
    if is_influence:
        scale = calibration.scale_of(workspace, asked.record, method)
    untrained = info.untrained_loss
    learned = untrained - info.loss if scale and untrained else None
    tables, rests = {}, {}
    is_held = ShareError.of(method.name, method.settings) is not None
    for kind, sources in sources_of(workspace, asked.recordings).items():
        error = ShareError.of(method.name, method.settings, kind)
        how = ShareSettings(confidence=level, error=error, is_known=info.is_known)
        tables[kind], rests[kind] = shares_of(
            scores, sources, scale=scale or 1.0, learned=learned, settings=how
        )
    return Attribution(
        attribution_id=_identity(asked, method, info, level),
        query=info,
        model_id=asked.record.id,
        model_digest=asked.record.digest,
        corpus_digest=asked.data.digest,
        n_recordings=len(asked.data.recording_ids),
        estimator=method.name,
        settings=method.settings,
        by=by,
        tables=tables,
        unattributed=rests,
        passages=(),
        is_calibrated=scale is not None,
        intervals="retraining" if is_held else "noise",
        provenance=_provenance(asked, method),
        stamp=_stamp(workspace, asked, method),
        notices=(*asked.notices, *_unknown(info)),
        level=level,
        command="",
        elapsed_s=0.0,
    )


def _listened(
    workspace: Workspace,
    asked: Asked,
    method: Estimator,
    scores: Scores,
    result: Attribution,
) -> Attribution:
    """Return the same with the passages that matched, if the index can tell."""
    if not isinstance(method, IndexEstimator):
        return result
    passages, by_layer = find_passages(
        asked,
        method,
        result.tables["recording"],
        artists=artist_names(workspace, asked.recordings),
        directory=index_dir(workspace, asked.record),
    )
    chosen = [p.recording_id for p in passages]
    profile = profile_of(scores, by_layer, chosen, n_strata=asked.task.n_strata)
    return replace(result, passages=passages, profile=profile)


def _stamp(workspace: Workspace, asked: Asked, method: Estimator) -> str:
    """What the answer is marked with: the mark of the model, or of its index."""
    if asked.record.stamp or not isinstance(method, IndexEstimator):
        return asked.record.stamp
    return stamp_of(index_dir(workspace, asked.record))


def _unknown(info: QueryInfo) -> list[str]:
    """Return what must be said of a song that the model does not know."""
    if info.is_known or info.learned is None or info.least_learned is None:
        return []
    part, least = (
        f"{100 * x:.0f} %" for x in (max(info.learned, 0), info.least_learned)
    )
    return [
        f"The model hardly knows this song: training took {part} of the loss on it, "
        f"but {least} or more of that on 98 in 100 of its own recordings. So nobody "
        "is named."
    ]


def _query_info(asked: Asked, index: Path) -> QueryInfo:
    loss = measure(asked.generator, asked)
    untrained = learned = None
    if isinstance(asked.generator, Untrainable):
        with asked.generator.untrained(asked.record.seed):
            untrained = measure(asked.generator, asked)
        learned = learned_part(*(float(x[:N_DRAWS].mean()) for x in (loss, untrained)))
    return QueryInfo(
        file=asked.audio.name,
        digest=digest_file(asked.audio),
        duration_s=sum(asked.lengths) / asked.generator.token_rate_hz,
        prompt=asked.prompt,
        loss=float(loss.mean()),
        untrained_loss=None if untrained is None else float(untrained.mean()),
        pitch_semitones=asked.pitch_semitones,
        learned=learned,
        least_learned=None if learned is None else least_learned_of(index),
    )


def _identity(asked: Asked, method: Estimator, info: QueryInfo, level: float) -> str:
    facts: Any = (
        info.digest,
        info.prompt,
        asked.record.digest,
        method.name,
        sorted(method.settings.items(), key=str),
        level,
    )
    if info.pitch_semitones:
        facts = (*facts, info.pitch_semitones)
    return "A-" + hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def _provenance(asked: Asked, method: Estimator) -> dict[str, str]:
    found = {
        "query digest": digest_file(asked.audio),
        "model digest": asked.record.digest,
        "corpus digest": asked.data.digest,
        "model recipe": asked.record.recipe,
        "training seed": str(asked.record.seed),
        "noise seed": str(asked.task.seed),
        **{f"{name} version": text for name, text in versions().items()},
    }
    if isinstance(method, IndexEstimator):
        found["index digest"] = method.digest()
    return found
