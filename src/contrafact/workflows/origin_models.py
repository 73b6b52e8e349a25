"""Generators that are held: enrolled from songs they make, asked what they know.

A model that is held can be asked two things that files cannot: whether its codec
loses less of a recording than of others, and whether it predicts it better than
other models do. Both are calibrated on the recordings by people in the registry,
which are listened to again where they were.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrafact.catalog import Workspace, write_audio
from contrafact.catalog.atomic import storage_errors, write_json
from contrafact.core.errors import (
    AudioError,
    EnrolmentError,
    GeneratorError,
    MatchIndexError,
)
from contrafact.core.matches import OriginEvidence
from contrafact.generators import Generator
from contrafact.matching.origin import MIN_HUMANS, Enrolled, OriginRegistry
from contrafact.matching.origin.chain import prepare
from contrafact.matching.origin.likelihood import likelihood_scores
from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.reconstruction import reconstruction_score
from contrafact.workflows.models import find_model, open_model
from contrafact.workflows.origin import fresh_registry, open_registry
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.stores import home_of

__all__ = ["disowning", "enroll_model", "held_models", "model_evidence"]

N_SONGS = 8
_N_STEPS, _GUIDANCE = 24, 2.0
_KINDS = ("reconstruction", "likelihood")
_ASKED = 2
"""To be raised when what models are asked changes: older answers mean nothing then."""
_KNOWN = 0.05
"""P-value up to which a codec knows a sound; see docs/origin.md for what it costs."""
_JUDGE = 0.85
"""Part of its own songs that a codec must know for its word to be taken."""


def enroll_model(
    workspace: Workspace,
    name: str,
    model: str,
    *,
    n_songs: int = N_SONGS,
    progress: Progress = silent,
) -> Enrolled:
    """Enrol a model of the workspace from songs that it makes here.

    Args:
        workspace: Whose registry and models.
        name: What the class will be called.
        model: Name of the model.
        n_songs: Songs to enrol it from, as long as it makes them.
        progress: Told how far it is.

    Raises:
        EnrolmentError: If fewer than 20 recordings by people are enrolled, or
            can still be read where they were.
        UnknownModelError: If there is no such model.
        GeneratorError: If it cannot be loaded.
        StorageError: If the registry cannot be written.
    """
    record = find_model(home_of(workspace, model), model)
    generator = open_model(record)
    registry = fresh_registry(workspace)
    people = _people(registry)
    with workspace.lock(), tempfile.TemporaryDirectory() as folder:
        songs = _songs(generator, Path(folder), n_songs, progress)
        enrolled = registry.enroll(
            name,
            songs,
            source=f"songs that model {model} made",
            model=record.digest,
            progress=stage_progress(progress, "listen"),
        )
        held = {**held_models(workspace), name: model}
        own = {**_read(workspace)["own"], name: _own_scores(generator, songs)}
        _calibrate(workspace, held, own, people=people, progress=progress)
    return enrolled


def _people(registry: OriginRegistry) -> list[Path]:
    paths = [Path(s.path) for c in registry.classes() if c.is_human for s in c.sources]
    there = [p for p in paths if p.is_file()]
    if len(there) < MIN_HUMANS:
        raise EnrolmentError(
            f"{len(there)} recordings by people are enrolled and still where they "
            f"were; {MIN_HUMANS} are needed to say what a model's answers are worth. "
            "Enrol more: contrafact origin enroll people FILES --human."
        )
    return there[:: max(1, len(there) // (2 * MIN_HUMANS))]


def _songs(
    generator: Generator, folder: Path, count: int, progress: Progress
) -> list[Path]:
    paths = []
    for i in range(count):
        batch = generator.sample(
            [""], n_tokens=[generator.max_tokens], seed=1_000 + i,
            n_steps=_N_STEPS, guidance=_GUIDANCE,
        )  # fmt: skip
        audio = generator.decode(batch.latents)[0]
        peak = audio.abs().max().clamp_min(1e-6)
        path = folder / f"song-{i}.wav"
        write_audio(path, (audio / peak * 0.7).numpy(), generator.sample_rate)
        paths.append(path)
        progress("make songs", i + 1, count)
    return paths


def disowning(
    name: str, score: float, null: Null, *, own: Sequence[float]
) -> list[OriginEvidence]:
    """Return that a codec does not know a recording, if its word can be taken.

    Args:
        name: Of the class.
        score: Of the recording, by `reconstruction_score`.
        null: Of recordings by people.
        own: Scores of the model's own songs. Of a codec that does not tell them
            from people's recordings nothing is believed.
    """
    n_known = sum(null.p_value(each) <= _KNOWN for each in own)
    if n_known < _JUDGE * max(1, len(own)) or null.p_value(score) <= _KNOWN:
        return []
    said = f"asked {name}, which knows {n_known} of {len(own)} of its own songs"
    return [
        OriginEvidence(
            kind="disowned",
            score=round(score, 5),
            p_value=None,
            detail=said,
            generator=name,
        )
    ]


def _own_scores(generator: Generator, songs: list[Path]) -> list[float]:
    """Return how well a model's codec knows the model's own songs."""
    torch.set_num_threads(1)
    heard = [np.ascontiguousarray(prepare(p).channels[0].samples) for p in songs]
    return [reconstruction_score(generator, samples) for samples in heard]


def _place(workspace: Workspace) -> Path:
    return workspace.root / "origin" / "held" / "models.json"


def held_models(workspace: Workspace) -> dict[str, str]:
    """Return the models that are asked, by the name they are enrolled under.

    Raises:
        MatchIndexError: If the file of them is damaged.
    """
    known = open_registry(workspace).names()
    models: Mapping[str, str] = _read(workspace)["models"]
    return {name: model for name, model in models.items() if name in known}


def _read(workspace: Workspace) -> dict[str, Any]:
    path = _place(workspace)
    if not path.exists():
        return {"models": {}, "nulls": {}, "own": {}}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.get("asked") != _ASKED:
            raise ValueError("an older version asked the models other things")
        return {
            "models": dict(found["models"]),
            "nulls": dict(found["nulls"]),
            "own": dict(found.get("own", {})),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MatchIndexError(
            f"{path} cannot be used: {error}. Remove it and enrol the models again."
        ) from error


def _opened(workspace: Workspace, held: Mapping[str, str]) -> dict[str, Generator]:
    return {
        name: open_model(find_model(home_of(workspace, model), model))
        for name, model in held.items()
    }


def _calibrate(
    workspace: Workspace,
    held: Mapping[str, str],
    own: Mapping[str, list[float]],
    *,
    people: list[Path],
    progress: Progress,
) -> None:
    """Ask all models about recordings by people, and keep what they answer."""
    generators = _opened(workspace, held)
    scores: dict[str, dict[str, list[float]]] = {
        name: {kind: [] for kind in _KINDS} for name in held
    }
    for i, path in enumerate(people):
        try:
            asked = _asked(generators, path)
        except AudioError:
            continue
        for name, kind, score in asked:
            scores[name][kind].append(score)
        progress("ask models about people", i + 1, len(people))
    nulls = {
        name: {kind: asdict(Null.of(values)) for kind, values in kinds.items()}
        for name, kinds in scores.items()
    }
    with storage_errors(_place(workspace)):
        _place(workspace).parent.mkdir(parents=True, exist_ok=True)
    kept = {"asked": _ASKED, "models": dict(held), "nulls": nulls, "own": dict(own)}
    write_json(_place(workspace), kept)


def _asked(
    generators: Mapping[str, Generator], path: Path
) -> Iterator[tuple[str, str, float]]:
    torch.set_num_threads(1)
    samples = np.ascontiguousarray(prepare(path).channels[0].samples)
    found = [
        (name, "reconstruction", reconstruction_score(generator, samples))
        for name, generator in generators.items()
    ]
    likely = likelihood_scores(generators, samples)
    found += [(name, "likelihood", score) for name, score in likely.items()]
    return iter(found)


def model_evidence(workspace: Workspace, path: Path) -> list[OriginEvidence]:
    """Ask the models that are held about a recording; takes seconds for each.

    Returns:
        Two a model, and a third of kind `disowned` from a codec that does not know
        the recording though it knows its own songs; empty if none is enrolled. A
        model that is gone is left out.

    Raises:
        AudioError: If the file cannot be read, is silent, or under 4 s.
        MatchIndexError: If the file of held models is damaged.
    """
    held, kept = held_models(workspace), _read(workspace)
    generators: dict[str, Generator] = {}
    for name, model in held.items():
        try:
            generators |= _opened(workspace, {name: model})
        except GeneratorError:
            continue
    evidence = []
    for name, kind, score in _asked(generators, path) if generators else ():
        null = Null(**kept["nulls"][name][kind])
        if kind == "reconstruction":
            evidence += disowning(name, score, null, own=kept["own"].get(name, ()))
        evidence.append(
            OriginEvidence(
                kind=kind,
                score=round(score, 5),
                p_value=null.p_value(score),
                detail=f"asked {name}",
                generator=name,
            )
        )
    return evidence
