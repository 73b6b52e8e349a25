"""Attribution of a song: which recordings shaped it, and how much."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import torch

from contrafact.attribution.base import AttributionTask, Estimator, Queries, Scores
from contrafact.attribution.draws import losses_at
from contrafact.attribution.estimators import PREDICTS_RISE, make_estimator
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.hubs import check_hubs
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import ShareSettings, shares_of
from contrafact.catalog import Workspace, read_audio, read_tags, write_json
from contrafact.catalog.atomic import write_bytes
from contrafact.catalog.audio import read_info
from contrafact.catalog.files import digest_file
from contrafact.core.entities import Recording
from contrafact.core.errors import ConfigError, QueryError
from contrafact.core.results import (
    Attribution,
    Passage,
    QueryInfo,
    SourceKind,
    SourceShare,
    attribution_to_json,
)
from contrafact.generators import Generator, LatentBatch
from contrafact.generators.latents import LatentSet, cut_windows
from contrafact.workflows import calibration
from contrafact.workflows.generate import check_prompt
from contrafact.workflows.index import (
    check_digest,
    encoding_of,
    index_dir,
    stamp_of,
    training_set,
)
from contrafact.workflows.latents import encode_file
from contrafact.workflows.models import (
    ModelRecord,
    find_model,
    open_model,
    trained_on,
)
from contrafact.workflows.passages import find_passages
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.report import query_copy, write_report
from contrafact.workflows.serving import check_serving
from contrafact.workflows.sources import artist_names, sources_of
from contrafact.workflows.stores import home_of
from contrafact.workflows.train import versions

__all__ = [
    "Asked",
    "ask",
    "attribute",
    "measure",
    "ready_estimator",
    "scores_of",
]

_N_LOSS_DRAWS = 64
_LONGEST_S = 1800.0  # every window of the song is held in memory at every draw


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """A song, ready to be explained: the model, its corpus, the query.

    Attributes:
        queries: The song's windows; a song longer than the model's window
            has several.
        lengths: Length of each window in tokens.
        notices: What must be said with any answer about the model.
    """

    record: ModelRecord
    generator: Generator
    data: LatentSet
    recordings: list[Recording]
    audio: Path
    prompt: str
    tags: Mapping[str, str]
    queries: Queries
    lengths: tuple[int, ...]
    notices: tuple[str, ...] = ()

    @property
    def task(self) -> AttributionTask:
        """What is attributed."""
        return AttributionTask(self.generator, self.data)

    @property
    def weights(self) -> torch.Tensor:
        """Part of the song that each window is, `(n_window,)`."""
        return torch.tensor(self.lengths) / sum(self.lengths)


def ask(
    workspace: Workspace,
    audio: Path,
    *,
    model: str,
    prompt: str | None = None,
    progress: Progress = silent,
) -> Asked:
    """Read a song and everything needed to explain it.

    Raises:
        ConfigError: If the prompt is no text, or too long.
        AudioError: If the song cannot be read.
        QueryError: If it is shorter than one latent token, or too long.
        UnknownModelError: If there is no such model.
        IndexMismatchError: If the catalog is not what the model learned.
        WithdrawnError: If the model holds a withdrawn work whose policy
            forbids this.
    """
    torch.set_num_threads(1)
    check_prompt(prompt or "")
    _require_short(audio)
    sound = read_audio(audio, max_duration_s=_LONGEST_S)
    record = find_model(workspace, model)
    notices = check_serving(workspace, record)
    generator = open_model(record)
    encoding = encoding_of(generator)
    if sound.duration_s < encoding.token_s:
        raise QueryError(
            f"{audio} lasts {sound.duration_s * 1000:.0f} ms, less than one latent "
            f"token ({encoding.token_s * 1000:.0f} ms); there is nothing to attribute."
        )
    tags = read_tags(audio)
    text = tags.get("contrafact_prompt", "") if prompt is None else prompt
    latents = encode_file(audio, encoding, duration_s=sound.duration_s)
    windows = [
        part for _, part in cut_windows(latents, max_tokens=generator.max_tokens)
    ]
    return Asked(
        record=record,
        generator=generator,
        data=training_set(workspace, record, generator, progress),
        recordings=trained_on(workspace, record),
        audio=audio,
        prompt=text,
        tags=tags,
        queries=Queries(LatentBatch.stack(windows), (text,) * len(windows)),
        lengths=tuple(int(part.shape[-1]) for part in windows),
        notices=notices,
    )


def _require_short(audio: Path) -> None:
    length_s = read_info(audio).duration_s
    if length_s > _LONGEST_S:
        raise QueryError(
            f"{audio} lasts {length_s / 60:.0f} min; a song of up to "
            f"{_LONGEST_S / 60:.0f} min can be attributed. Cut it into parts."
        )


def attribute(  # noqa: PLR0913 - options of a command
    workspace: Workspace,
    audio: Path,
    *,
    model: str,
    estimator: str = "index",
    by: str = "artist",
    level: float = 0.9,
    prompt: str | None = None,
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
    asked = ask(workspace, audio, model=model, prompt=prompt, progress=progress)
    started = time.monotonic()
    method = ready_estimator(workspace, asked, estimator, progress)
    progress("attributing", 0, 1)
    scores = scores_of(method, asked)
    check_hubs(scores, estimator=estimator)
    result = _assembled(
        workspace, asked, method, scores, by=cast(SourceKind, by), level=level
    )
    if listen:
        found = _passages(workspace, asked, method, result.tables["recording"])
        result = replace(result, passages=found)
    progress("attributing", 1, 1)
    result = replace(result, command=command, elapsed_s=time.monotonic() - started)
    folder = workspace.attributions_dir / result.attribution_id
    write_bytes(query_copy(workspace, result), audio.read_bytes())
    write_json(folder / "attribution.json", attribution_to_json(result))
    if report is not None:
        write_report(workspace, result, None, report)
    return result


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


def scores_of(method: Estimator, asked: Asked) -> Scores:
    """Return the scores of the whole song, its windows weighed by length."""
    found = method.score(asked.queries)
    weight = asked.weights
    replicates = found.replicates
    if replicates is not None:
        replicates = torch.einsum("q,qabn->abn", weight, replicates)[None]
    return Scores(
        values=(weight @ found.values)[None],
        recording_ids=found.recording_ids,
        replicates=replicates,
        panel=found.panel,
        overlap=found.overlap,
        null=found.null,
    )


def measure(generator: Generator, asked: Asked) -> torch.Tensor:
    """Return the song's loss at each of the shared draws, `(n_draws,)`."""
    draws = asked.task.draws(_N_LOSS_DRAWS)
    conditioning = generator.condition(asked.queries.prompts, n_tokens=asked.lengths)
    losses = losses_at(generator, asked.queries.batch, conditioning, draws)
    return asked.weights @ losses


def _assembled(
    workspace: Workspace,
    asked: Asked,
    method: Estimator,
    scores: Scores,
    *,
    by: SourceKind,
    level: float,
) -> Attribution:
    info = _query_info(asked)
    is_influence = method.name in PREDICTS_RISE
    scale = None
    if is_influence:
        scale = calibration.scale_of(workspace, asked.record, method)
    untrained = info.untrained_loss
    learned = untrained - info.loss if scale and untrained else None
    tables, rests = {}, {}
    error = ShareError.of(method.name, method.settings)
    how = ShareSettings(confidence=level, error=error)
    for kind, sources in sources_of(workspace, asked.recordings).items():
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
        intervals="retraining" if error else "noise",
        provenance=_provenance(asked, method),
        stamp=_stamp(workspace, asked, method),
        notices=asked.notices,
        level=level,
        command="",
        elapsed_s=0.0,
    )


def _passages(
    workspace: Workspace,
    asked: Asked,
    method: Estimator,
    recordings: Sequence[SourceShare],
) -> tuple[Passage, ...]:
    """Return the passages that matched; none unless the estimator is the index."""
    if not isinstance(method, IndexEstimator):
        return ()
    return find_passages(
        asked,
        method,
        recordings,
        artists=artist_names(workspace, asked.recordings),
        directory=index_dir(workspace, asked.record),
    )


def _stamp(workspace: Workspace, asked: Asked, method: Estimator) -> str:
    """What the answer is marked with: the mark of the model, or of its index."""
    if asked.record.stamp or not isinstance(method, IndexEstimator):
        return asked.record.stamp
    return stamp_of(index_dir(workspace, asked.record))


def _query_info(asked: Asked) -> QueryInfo:
    loss = float(measure(asked.generator, asked).mean())
    untrained = None
    if hasattr(asked.generator, "untrained"):
        with asked.generator.untrained(asked.record.seed):
            untrained = float(measure(asked.generator, asked).mean())
    return QueryInfo(
        file=asked.audio.name,
        digest=digest_file(asked.audio),
        duration_s=sum(asked.lengths) / asked.generator.token_rate_hz,
        prompt=asked.prompt,
        loss=loss,
        untrained_loss=untrained,
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
