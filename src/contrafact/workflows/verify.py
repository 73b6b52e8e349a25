"""Checking an attribution by training again without what it named."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from scipy import stats
from torch import Tensor

from contrafact.attribution.base import Scores
from contrafact.attribution.estimators import PREDICTS_RISE
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.estimators.similarity import SimilarityEstimator
from contrafact.catalog import Workspace, write_audio, write_json
from contrafact.core.errors import (
    ConfigError,
    GeneratorError,
    IndexMismatchError,
    QueryError,
)
from contrafact.core.results import (
    Attribution,
    Interval,
    Removal,
    Verification,
    attribution_from_json,
    verification_to_json,
)
from contrafact.generators import load_generator
from contrafact.workflows import calibration
from contrafact.workflows.asked import Asked, ask, measure
from contrafact.workflows.attribute import ready_estimator, scores_of
from contrafact.workflows.generate import SamplingSettings, sample_audio
from contrafact.workflows.models import find_model
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.recipes import find_recipe
from contrafact.workflows.report import query_copy, write_report
from contrafact.workflows.retraining import Retraining, retrain
from contrafact.workflows.stores import home_of_attribution
from contrafact.workflows.train import exclusive

__all__ = ["CONTROLS", "default_k", "find_attribution", "random_recordings", "verify"]

Kind = Literal["named", "similar", "random"]
CONTROLS: tuple[Kind, ...] = ("similar", "random")
_N_WORKERS = 2


def default_k(n_recordings: int) -> int:
    """Return how many recordings are left out: a sixteenth, at least one."""
    return max(1, n_recordings // 16)


def random_recordings(ids: Sequence[str], k: int, *, seed: int) -> list[str]:
    """Return `k` recordings drawn at random, the same for the same seed."""
    return random.Random(seed).sample(sorted(ids), k)


def find_attribution(workspace: Workspace, attribution_id: str) -> Attribution:
    """Return a kept attribution; a unique beginning of its id is enough.

    Raises:
        QueryError: If there is none, or several.
    """
    names = sorted(
        p.parent.name
        for p in workspace.attributions_dir.glob("*/attribution.json")
        if attribution_id and p.parent.name.startswith(attribution_id)
    )
    if not names:
        raise QueryError(
            f"No attribution in {workspace.root} has the id {attribution_id!r} or one "
            "that begins so; `contrafact attribute` prints the id to give."
        )
    if len(names) > 1 and attribution_id not in names:
        raise QueryError(
            f"{attribution_id!r} begins the ids of {len(names)} attributions, "
            f"{names[0]} and {names[1]} among them. Give more of the id."
        )
    path = workspace.attributions_dir / names[0] / "attribution.json"
    try:
        return attribution_from_json(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise QueryError(
            f"{path} is damaged ({error}); attribute the song again."
        ) from error


def verify(
    workspace: Workspace,
    attribution_id: str,
    *,
    k: int | None = None,
    controls: Sequence[Kind] = CONTROLS,
    report: Path | None = None,
    progress: Progress = silent,
) -> Verification:
    """Train again without the named recordings, and without some controls.

    The controls are the `k` recordings most similar in sound and `k` random
    ones; all models have the full model's seed, batches and noise.

    Args:
        workspace: Where the attribution is.
        attribution_id: Which.
        k: How many recordings to leave out; a sixteenth if None.
        controls: What else to leave out; each costs a training.
        report: Where to write the report again, if anywhere.
        progress: Told about every step.

    Raises:
        QueryError: If there is no such attribution, or its song is gone.
        IndexMismatchError: If the model is another one by now.
        ConfigError: If `k` is out of range, or the model was not trained here.
        WorkspaceLockedError: If another process checks this attribution.
    """
    started = time.monotonic()
    workspace = home_of_attribution(workspace, attribution_id)
    attribution = find_attribution(workspace, attribution_id)
    _require_same(workspace, attribution)
    folder = query_copy(workspace, attribution).parent
    # Two at once would each wait for a model that the other trains.
    with exclusive(folder):
        result = _checked(workspace, attribution, k, controls, progress)
        result = replace(result, elapsed_s=time.monotonic() - started)
        write_json(folder / "verification.json", verification_to_json(result))
    if report is not None:
        write_report(workspace, attribution, result, report)
    return result


def _checked(
    workspace: Workspace,
    attribution: Attribution,
    k: int | None,
    controls: Sequence[Kind],
    progress: Progress,
) -> Verification:
    asked = ask(
        workspace,
        query_copy(workspace, attribution),
        model=attribution.model_id,
        prompt=attribution.query.prompt,
        pitches=(attribution.query.pitch_semitones,),
        progress=progress,
    )
    scores = _scores_again(workspace, asked, attribution, progress)
    sets = _left_out(workspace, asked, attribution, k, controls, scores)
    models = _retrained(workspace, asked, sets, progress)
    return _compared(workspace, asked, attribution, models, scores)


def _scores_again(
    workspace: Workspace, asked: Asked, attribution: Attribution, progress: Progress
) -> Scores | None:
    """Return the index's scores, which tell what recordings have in common.

    None for other estimators: they do not know, and some take minutes.
    """
    if attribution.estimator != IndexEstimator.name:
        return None
    method = ready_estimator(workspace, asked, attribution.estimator, progress)
    return scores_of(method, asked)


def _require_same(workspace: Workspace, attribution: Attribution) -> None:
    """Raise unless song and model are those that the attribution was made with."""
    song = query_copy(workspace, attribution)
    if not song.exists():
        raise QueryError(f"{song} is gone; attribute the song again.")
    record = find_model(workspace, attribution.model_id)
    if record.digest != attribution.model_digest:
        raise IndexMismatchError(
            f"Attribution {attribution.attribution_id} is about a model "
            f"{record.id!r} with the digest {attribution.model_digest[:12]}; the one "
            f"of that name has {record.digest[:12]} now. Attribute the song again."
        )


def _left_out(
    workspace: Workspace,
    asked: Asked,
    attribution: Attribution,
    k: int | None,
    controls: Sequence[Kind],
    scores: Scores | None,
) -> dict[Kind, tuple[str, ...]]:
    """The recordings that each retraining does without."""
    ids = asked.data.recording_ids
    count = default_k(len(ids)) if k is None else k
    if not 1 <= count < len(ids):
        raise ConfigError(
            f"Can leave out 1 to {len(ids) - 1} recordings; got k = {count}. "
            "Choose a number between."
        )
    makers: dict[Kind, Callable[[], tuple[str, ...]]] = {
        "named": lambda: _named(attribution, count, scores),
        "similar": lambda: _similar(workspace, asked, count),
        "random": lambda: tuple(random_recordings(ids, count, seed=asked.record.seed)),
    }
    return {kind: makers[kind]() for kind in ("named", *controls)}


def _similar(workspace: Workspace, asked: Asked, count: int) -> tuple[str, ...]:
    """Those most similar in sound."""
    folder = workspace.cache_dir / "similarity" / asked.record.digest[:12]
    similar = SimilarityEstimator().fit(asked.task, folder, progress=lambda *_: None)
    alike = scores_of(similar, asked).values[0].argsort(descending=True, stable=True)
    return tuple(asked.data.recording_ids[int(i)] for i in alike[:count])


def _named(
    attribution: Attribution, count: int, scores: Scores | None
) -> tuple[str, ...]:
    """Those whose leaving out together raises the loss most, as far as is known."""
    if scores is not None and scores.overlap is not None:
        return tuple(scores.overlap.leave_out_most(scores.values[0], count))
    best = sorted(attribution.tables["recording"], key=lambda s: (-s.influence, s.id))
    return tuple(s.id for s in best[:count])


def _retrained(
    workspace: Workspace,
    asked: Asked,
    sets: dict[Kind, tuple[str, ...]],
    progress: Progress,
) -> dict[Kind, Retraining]:
    if not asked.record.recipe:
        raise ConfigError(
            f"Model {asked.record.id} was not trained here; it cannot be trained again."
        )
    recipe = find_recipe(asked.record.recipe)
    models = {
        kind: Retraining.of(
            workspace, asked.data, recipe, seed=asked.record.seed, left_out=left_out
        )
        for kind, left_out in sets.items()
    }
    retrain(list(models.values()), n_workers=_N_WORKERS, progress=progress)
    return models


def _compared(
    workspace: Workspace,
    asked: Asked,
    attribution: Attribution,
    models: dict[Kind, Retraining],
    scores: Scores | None,
) -> Verification:
    before = measure(asked.generator, asked)
    removals = []
    for kind, model in models.items():
        generator = load_generator(model.folder)
        after = measure(generator, asked)
        rise, interval = _rise(after - before, asked.task.n_strata)
        removal = Removal(
            kind=kind,
            recording_ids=model.left_out,
            loss=float(after.mean()),
            rise=rise,
            rise_interval=interval,
            regenerated=_regenerated(workspace, asked, attribution, kind, model),
        )
        removals.append(removal)
        _learn(workspace, asked, attribution, removal, scores)
    return Verification(
        attribution_id=attribution.attribution_id,
        k=len(removals[0].recording_ids),
        loss=float(before.mean()),
        removals=tuple(removals),
        n_draws=len(before),
        seed=asked.record.seed,
        elapsed_s=0.0,
    )


def _rise(differences: Tensor, n_strata: int) -> tuple[float, Interval]:
    """Mean rise and its 90 % t-interval over sets of stratified draws."""
    sets = differences.double().reshape(-1, n_strata).mean(1)
    mean = float(sets.mean())
    error = float(sets.std()) / math.sqrt(len(sets))
    half = float(stats.t.ppf(0.95, len(sets) - 1)) * error
    return mean, Interval(low=mean - half, high=mean + half)


def _learn(
    workspace: Workspace,
    asked: Asked,
    attribution: Attribution,
    removal: Removal,
    scores: Scores | None,
) -> None:
    """Keep predicted and measured rise, for the scale of later attributions."""
    if attribution.is_calibrated or attribution.estimator not in PREDICTS_RISE:
        return
    calibration.add_measurement(
        workspace,
        asked.record,
        method_key=(attribution.estimator, attribution.settings),
        name=f"{attribution.attribution_id}/{removal.kind}",
        predicted=_predicted(attribution, removal, scores),
        measured=removal.rise,
    )


def _predicted(
    attribution: Attribution, removal: Removal, scores: Scores | None
) -> float:
    """What leaving out the recordings together was expected to do.

    As far as shares believe in what they have in common: the scale is for those.
    """
    weights = dict.fromkeys(removal.recording_ids, 1.0)
    alone = {s.id: s.influence for s in attribution.tables["recording"]}
    if scores is not None and scores.overlap is not None:
        weights = scores.overlap.weights(weights)
        values = scores.values[0].tolist()
        alone = dict(zip(scores.recording_ids, values, strict=True))
    return sum(alone[i] * weight for i, weight in weights.items())


def _regenerated(
    workspace: Workspace,
    asked: Asked,
    attribution: Attribution,
    kind: Kind,
    model: Retraining,
) -> str | None:
    """Sample the song again from its prompt and seed; return the file's name."""
    tags = asked.tags
    if "contrafact_seed" not in tags:
        return None
    generator = load_generator(model.folder)
    try:
        settings = SamplingSettings(
            seed=int(tags["contrafact_seed"]),
            n_steps=int(tags.get("contrafact_steps", 40)),
            guidance=float(tags.get("contrafact_guidance", 2.0)),
        )
        samples = sample_audio(
            generator,
            asked.prompt,
            seconds=attribution.query.duration_s,
            settings=settings,
        )
    except (ValueError, GeneratorError):
        return None  # Somebody else's tags: there is nothing to sample it by.
    song = query_copy(workspace, attribution).with_name(f"without-{kind}.flac")
    write_audio(song, torch.as_tensor(samples).numpy(), generator.sample_rate)
    return song.name
