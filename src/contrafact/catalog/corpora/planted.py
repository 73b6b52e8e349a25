"""The `planted` corpus: synthetic artists whose truth is known by construction.

Beside the audio and `metadata.csv` it writes `truth.json`: who plays and who
composed, what is a near-duplicate or a cover of what, and which motif sounds
from where to where. Estimators and matchers are measured against it.
"""

from __future__ import annotations

from pathlib import Path

from contrafact.catalog.atomic import write_json
from contrafact.catalog.corpora._planted_music import plan_heldout, plan_training
from contrafact.catalog.corpora._planted_roster import N_TRAINED
from contrafact.catalog.corpora._planted_sound import sound
from contrafact.catalog.corpora._writing import write_corpus
from contrafact.catalog.corpora.base import CorpusSettings, Progress

__all__ = ["PlantedCorpus"]


class PlantedCorpus:
    """24 artists in eight collections, and three who are never trained on."""

    name = "planted"

    def write(
        self,
        directory: Path,
        settings: CorpusSettings,
        *,
        progress: Progress | None = None,
    ) -> Path:
        """Write the corpus; see `Corpus.write`.

        `truth.json` maps the path of each recording, from `directory`, to its
        truth. A quarter of the held-out recordings is by artists who are never
        trained on; the rest are unseen works of the others.

        Raises:
            CorpusError: Also if fewer recordings are asked for than there are
                artists.
            StorageError: If the disk is full or not writable.
        """
        settings.require_artists(N_TRAINED)
        train = plan_training(settings.n_recordings, settings.seed)
        heldout = plan_heldout(settings.n_heldout, settings.seed)
        write_corpus(
            {directory: train, directory / "heldout": heldout},
            sound,
            n_workers=settings.n_workers,
            progress=progress,
        )
        truth = {plan.file: plan.truth() for plan in train}
        truth |= {f"heldout/{plan.file}": plan.truth() for plan in heldout}
        write_json(directory / "truth.json", {"recordings": truth})
        return directory / "metadata.csv"
