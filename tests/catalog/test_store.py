"""The catalog's database, on SQLite and, where there is one, PostgreSQL."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from contrafact.catalog import Catalog, Entry
from contrafact.catalog._schema import METADATA
from contrafact.core.entities import Party, Recording, Release, Segment, Work
from contrafact.core.errors import (
    CatalogError,
    ConfigError,
    StorageError,
    UnknownEntityError,
)
from contrafact.core.units import (
    SegmentId,
    digest_of,
    party_id,
    recording_id,
    release_id,
    work_id,
)

_POSTGRES = os.environ.get("CONTRAFACT_TEST_POSTGRES_URL")
BACKENDS = ["sqlite", *(["postgres"] if _POSTGRES else [])]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalog.sqlite'}"
        return
    assert _POSTGRES is not None
    with Catalog.open(_POSTGRES) as catalog, catalog._engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    yield _POSTGRES


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    """Give an empty catalog."""
    with Catalog.open(url) as opened:
        yield opened


def entry(number: int, *, artist: str = "Ann", title: str | None = None) -> Entry:
    """Return the entry of recording `number`, with all that it can refer to."""
    digest = digest_of(str(number).encode())
    id_ = recording_id(digest)
    label = Party(id=party_id("Label"), name="Label")
    artists = [Party(id=party_id(name), name=name) for name in (artist, "Zoe")]
    work = Work(id=work_id(f"Work {number % 3}"), title=f"Work {number % 3}")
    release = Release(id=release_id("Disc", "Label"), title="Disc", label=label.id)
    segment = SegmentId(f"S-{number}")
    return Entry(
        recording=Recording(
            id=id_,
            title=title or f"Recording {number}",
            digest=digest,
            file=f"{number}.wav",
            duration_s=1.1 * (number + 1),
            sample_rate=44_100,
            n_channels=2,
            artists=tuple(party.id for party in artists),
            work_id=work.id,
            release_id=release.id,
            label=label.id,
            isrc="USRC17607839",
            group=f"group {number % 2}",
            caption="a rag by Ann",
            caption_anonymous="a rag",
        ),
        parties=(*artists, label),
        work=work,
        release=release,
        segments=(Segment(id=segment, recording_id=id_, start_s=0.0, end_s=0.5),),
    )


def test_entries_come_back_as_they_went_in(catalog: Catalog) -> None:
    """Recordings, works, parties, releases and segments survive the round trip."""
    given = entry(1)
    catalog.add([given])
    assert catalog.recordings() == [given.recording]
    assert catalog.recording(given.recording.id) == given.recording
    assert catalog.works() == [given.work]
    assert catalog.releases() == [given.release]
    assert catalog.parties() == sorted(given.parties, key=lambda party: party.id)
    assert catalog.segments_of(given.recording.id) == list(given.segments)
    assert given.work is not None
    assert catalog.work(given.work.id) == given.work
    assert catalog.party(given.parties[0].id) == given.parties[0]


def test_recordings_are_ordered_and_grouped(catalog: Catalog) -> None:
    """Recordings come in the order of their ids, all or one group of them."""
    catalog.add([entry(number) for number in range(7)])
    ids = [recording.id for recording in catalog.recordings()]
    assert ids == sorted(ids)
    assert len(ids) == 7
    assert len(catalog.recordings(group="group 0")) == 4
    assert catalog.recordings(group="none") == []


def test_order_of_adding_does_not_matter(tmp_path: Path) -> None:
    """Any order, any batches, and repetition give one and the same content."""
    entries = [entry(n, artist="ANN" if n % 2 else "Ann") for n in range(12)]
    dumps, digests = [], set()
    for seed in range(3):
        shuffled = entries + entries[:4]
        random.Random(seed).shuffle(shuffled)
        path = tmp_path / f"{seed}.sqlite"
        with Catalog.open(f"sqlite:///{path}") as catalog:
            for start in range(0, len(shuffled), 3):
                unique = {e.recording.id: e for e in shuffled[start : start + 3]}
                catalog.add(list(unique.values()))
            digests.add(catalog.digest())
            dumps.append(catalog.dump())
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(digests) == 1
    assert {"id": party_id("Ann"), "name": "Ann"} in dumps[0]["party"]


def test_the_digest_is_of_content_not_of_place(catalog: Catalog) -> None:
    """Another folder keeps the digest; another title changes it."""
    catalog.add([entry(1), entry(2)])
    before = catalog.digest()
    moved = replace(entry(1), recording=replace(entry(1).recording, file="x/y.wav"))
    catalog.add([moved])
    assert catalog.digest() == before
    catalog.add([entry(1, title="Other")])
    assert catalog.digest() != before


def test_what_nothing_refers_to_is_removed(catalog: Catalog) -> None:
    """Replacing the only recording of an artist removes the artist."""
    catalog.add([entry(1, artist="Typo")])
    catalog.add([entry(1, artist="Ann")])
    assert "Typo" not in {party.name for party in catalog.parties()}
    with pytest.raises(UnknownEntityError, match="no party"):
        catalog.party(party_id("Typo"))


def test_a_batch_is_added_whole_or_not_at_all(catalog: Catalog) -> None:
    """One impossible entry keeps the whole batch out."""
    bad = replace(entry(2), work=None, parties=())
    orphan = replace(bad.recording, work_id=work_id("nowhere"))
    with pytest.raises(CatalogError):
        catalog.add([entry(1), replace(bad, recording=orphan)])
    assert catalog.dump() == {name: [] for name in METADATA.tables}


def test_the_begin_of_an_id_is_enough_if_unique(catalog: Catalog) -> None:
    """A part of an id is taken if it fits one recording, and explained if not."""
    catalog.add([entry(1), entry(2)])
    first = catalog.recordings()[0]
    assert catalog.recording(first.id[:8]) == first
    with pytest.raises(UnknownEntityError, match="begins the ids of 2"):
        catalog.recording("R-")
    for unknown in ("R-zz", "", "%"):
        with pytest.raises(UnknownEntityError, match="no recording"):
            catalog.recording(unknown)


def test_the_migrations_make_the_tables_of_the_schema(catalog: Catalog) -> None:
    """No column is in the schema that the migrations do not make, or back."""
    with catalog._engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


def test_opening_again_keeps_everything(url: str) -> None:
    """A catalog that was closed is there when it is opened."""
    with Catalog.open(url) as catalog:
        catalog.add([entry(1)])
        before = catalog.dump()
    with Catalog.open(url) as catalog:
        assert catalog.dump() == before


def test_a_newer_catalog_is_refused(tmp_path: Path) -> None:
    """Tables of an unknown newer version are not touched."""
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    Catalog.open(url).close()
    connection = sqlite3.connect(tmp_path / "catalog.sqlite")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(CatalogError, match="newer version"):
        Catalog.open(url)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "oracle://x"])
def test_other_databases_are_refused(url: str) -> None:
    """What is neither SQLite nor PostgreSQL is a wrong setting."""
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        Catalog.open(url)


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """A database below a file cannot be made, and the line says where."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/catalog.sqlite"):
        Catalog.open(f"sqlite:///{tmp_path / 'file' / 'catalog.sqlite'}")


def test_a_damaged_database_is_one_clear_line(tmp_path: Path) -> None:
    """A file that is no database is said to be none."""
    (tmp_path / "catalog.sqlite").write_bytes(b"nonsense" * 1_000)
    with pytest.raises(CatalogError, match="not a database"):
        Catalog.open(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
