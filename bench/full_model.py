"""Train the model that comes with contrafact.

    python bench/full_model.py

Renders 2,048 recordings of the `scores` corpus, trains the `full` recipe on
them, and copies the result to the package. Interrupted, it goes on where it
was when run again. To attribute songs of the shipped model, write and ingest
the same corpus: `contrafact corpus write scores DIR --recordings 2048`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from common import say
from contrafact.catalog import Workspace
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.rights.corpora import write_corpus_consents
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import SHIPPED
from contrafact.workflows.train import train

FOLDER = Path("build/full")
N_RECORDINGS = 2048


def main() -> None:
    """Render, train, copy."""
    workspace = Workspace.init(FOLDER)
    settings = CorpusSettings(n_recordings=N_RECORDINGS)
    table = find_corpus("scores").write(FOLDER / "corpus", settings)
    write_corpus_consents("scores", FOLDER / "corpus")
    ingest(workspace, [FOLDER / "corpus"], metadata=table)
    record = train(workspace, recipe="full", progress=say)
    shutil.rmtree(SHIPPED, ignore_errors=True)
    shutil.copytree(record.directory, SHIPPED)
    print(f"{SHIPPED}: {record.n_recordings} recordings, loss {record.final_loss:.4f}")


if __name__ == "__main__":
    main()
