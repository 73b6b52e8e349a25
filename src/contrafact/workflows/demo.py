"""The demonstration: from nothing to a checked answer and its report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from contrafact.catalog import Workspace
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.core.results import Attribution, Verification
from contrafact.workflows.admission import admit
from contrafact.workflows.attribute import attribute
from contrafact.workflows.consent import register_corpus
from contrafact.workflows.generate import check_prompt, generate
from contrafact.workflows.index import build_index
from contrafact.workflows.ingest import ingest
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.provenance import Provenance
from contrafact.workflows.recipes import find_recipe
from contrafact.workflows.report import write_report
from contrafact.workflows.retraining import Retraining, retrain
from contrafact.workflows.train import studio_latents, train
from contrafact.workflows.verify import default_k, random_recordings, verify

__all__ = ["DemoResult", "run_demo"]

_RECIPE = "quick"
_PROMPTS = {
    "scores": "rag in a flat major for honky-tonk piano, duple time, moderate, "
    "in the style of joplin (honky-tonk piano)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demonstration found, and where its report is."""

    attribution: Attribution
    verification: Verification
    report: Path


def run_demo(
    root: Path,
    *,
    corpus: str = "scores",
    n_recordings: int = 512,
    prompt: str | None = None,
    seed: int = 0,
    recipe: str = _RECIPE,
    progress: Progress = silent,
) -> DemoResult:
    """Render a catalog, train, generate, attribute, verify, and report.

    Interrupted, it goes on where it was when run again.

    Args:
        root: Folder of the workspace.
        corpus: Which built-in corpus to render.
        n_recordings: How many recordings.
        prompt: What song to make; one of the corpus's captions if None.
        seed: Of corpus, training and song.
        recipe: How to train.
        progress: Told about every part.

    Raises:
        ConfigError: If the prompt is no text, or too long.
        CorpusError: If there is no such corpus, or it cannot be made so small.
        StorageError: If the disk is full or not writable.
    """
    check_prompt(prompt or "")  # not only when the model is trained
    maker = find_corpus(corpus)
    workspace = Workspace.init(root)
    settings = CorpusSettings(n_recordings=n_recordings, seed=seed)
    table = maker.write(
        root / "corpus", settings, progress=stage_progress(progress, "rendering")
    )
    ingest(workspace, [root / "corpus"], metadata=table, progress=progress)
    register_corpus(workspace, corpus, root / "corpus", progress=progress)
    _train_with_control(workspace, recipe, seed, progress)
    song = generate(
        workspace,
        prompt or _prompt_for(workspace, corpus),
        model=recipe,
        seed=seed,
        out=root / "song.flac",
    )
    build_index(workspace, model=recipe, progress=progress)
    command = shlex.join(
        ["contrafact", "attribute", str(song.path), "--model", recipe, "-w", str(root)]
    )
    # The first answer is what gets checked; the check then gives the scale
    # in which the second states influence.
    first = attribute(
        workspace, song.path, model=recipe, listen=False, progress=progress
    )
    checked = verify(
        workspace, first.attribution_id, controls=["random"], progress=progress
    )
    answer = attribute(
        workspace, song.path, model=recipe, command=command, progress=progress
    )
    report = root / "report.html"
    write_report(workspace, answer, checked, report)
    return DemoResult(attribution=answer, verification=checked, report=report)


def _train_with_control(
    workspace: Workspace, recipe: str, seed: int, progress: Progress
) -> None:
    """Train the model and, on the other core, the random control of the check."""
    chosen = find_recipe(recipe)
    admitted = admit(workspace, progress=progress)
    data = studio_latents(workspace, chosen, progress, recordings=admitted.recordings)
    ids = data.recording_ids
    left_out = random_recordings(ids, default_k(len(ids)), seed=seed)
    model = Retraining(
        folder=workspace.models_dir / recipe,
        data=data, recipe=chosen, seed=seed, left_out=(),
        provenance=Provenance.of(admitted),
    )  # fmt: skip
    control = Retraining.of(workspace, data, chosen, seed=seed, left_out=left_out)
    retrain([model, control], n_workers=2, progress=progress, stage="training")
    train(workspace, recipe=recipe, seed=seed, progress=progress)


def _prompt_for(workspace: Workspace, corpus: str) -> str:
    if corpus in _PROMPTS:
        return _PROMPTS[corpus]
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    return next((r.caption for r in recordings if r.caption), "")
