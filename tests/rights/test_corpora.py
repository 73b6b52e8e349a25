from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace, ingest
from contrafact.catalog.corpora import CORPORA
from contrafact.rights import Right, Use
from contrafact.rights.corpora import STATEMENTS, write_corpus_consents
from contrafact.workflows.consent import catalog_decisions, register_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder as a corpus leaves it, with one held-out recording."""
    folder = tmp_path / "corpus"
    (folder / "heldout").mkdir(parents=True)
    waves = np.random.default_rng(1).uniform(-0.5, 0.5, (3, 8_000))
    places = (folder / "a.wav", folder / "b.wav", folder / "heldout" / "c.wav")
    for place, wave in zip(places, waves, strict=True):
        soundfile.write(place, wave, 8_000)
    head = "file,title,artists,work\n"
    (folder / "metadata.csv").write_text(head + "a.wav,A,X,WA\nb.wav,B,X,WB\n")
    (folder / "heldout" / "metadata.csv").write_text(head + "c.wav,C,X,WC\n")
    return folder


def test_every_built_in_corpus_says_what_it_allows() -> None:
    """Of both rights."""
    assert set(STATEMENTS) == set(CORPORA)
    assert all(set(said) == set(Right) for said in STATEMENTS.values())


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_its_recordings_may_be_used_for_everything(
    tmp_path: Path, corpus: Path, name: str
) -> None:
    """They go through the same import as anybody's; a file of the user's does not."""
    workspace = Workspace.init(tmp_path / "ws")
    ingest(workspace, [corpus], metadata=corpus / "metadata.csv")
    soundfile.write(tmp_path / "own.wav", np.full(8_000, 0.1), 8_000)
    ingest(workspace, [tmp_path / "own.wav"])
    report = register_corpus(workspace, name, corpus)
    assert report.problems == ()
    assert report.n_new == 3 * len(Right) * len(Use)
    with workspace.catalog() as catalog:
        titles = {r.id: r.title for r in catalog.recordings()}
    for use in Use:
        found = catalog_decisions(workspace, use=use, on=date(2026, 1, 1))
        allowed = {titles[id_] for id_, d in found.items() if d.is_allowed}
        assert allowed == {"A", "B"}


def test_it_says_the_same_every_time(corpus: Path) -> None:
    """Written again, not a byte is different."""
    tables = write_corpus_consents("planted", corpus)
    assert [t.parent.name for t in tables] == ["corpus", "heldout"]
    before = [t.read_bytes() for t in tables]
    assert [t.read_bytes() for t in write_corpus_consents("planted", corpus)] == before


def test_a_corpus_from_outside_says_nothing(corpus: Path) -> None:
    """What it allows is for its makers to say."""
    assert write_corpus_consents("somebody-elses", corpus) == []
    assert not (corpus / "consents.csv").exists()
