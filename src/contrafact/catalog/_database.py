"""Connecting to the catalog's database and bringing its tables up to date.

SQLite and PostgreSQL run the same code. What the rows mean is in `store.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from contrafact.catalog._schema import REVISION
from contrafact.core.errors import CatalogError, ConfigError, StorageError

__all__ = ["connect", "database_errors", "reading", "writing"]

_BUSY_MS = 30_000
_MIGRATION_LOCK = 0x636F6E7472616661
_STORAGE_WORDS = (
    "full",
    "readonly",
    "read-only",
    "unable to open",
    "disk i/o",
    "space",
)


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn a failure of the database into one clear line.

    Raises:
        StorageError: If the disk is full or the place is not writable.
        CatalogError: If the database cannot be used for another reason.
    """
    try:
        yield
    except DBAPIError as error:
        place = engine.url.database or engine.url.render_as_string()
        reason = str(error.orig).strip().splitlines()[0]
        if any(word in reason.lower() for word in _STORAGE_WORDS):
            raise StorageError(
                f"Cannot use the catalog in {place}: {reason}. Check that the disk "
                "has space and that you may write there."
            ) from error
        raise CatalogError(
            f"Cannot use the catalog in {place}: {reason}. Check the database."
        ) from error


def connect(url: str) -> Engine:
    """Return an engine for the database, its tables up to date.

    Raises:
        ConfigError: If the URL is not one of SQLite or PostgreSQL.
        StorageError: If the database cannot be written.
        CatalogError: If it was made by a newer version, or cannot be used.
    """
    engine = _engine(url)
    try:
        with database_errors(engine):
            _prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(url: str) -> Engine:
    advice = "Use sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigError(f"'{parsed.drivername}' databases do not work. {advice}")
        engine = sa.create_engine(parsed)
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"'{url}' is not a database URL. {advice}") from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            "PostgreSQL needs psycopg. Install it: pip install 'contrafact[postgres]'."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    # Transactions are begun by hand: the driver would leave DDL outside them.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")


def _on_sqlite_begin(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail at the change.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one state of the database."""
    with database_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose changes happen together or not at all."""
    with database_errors(engine), engine.connect() as plain:
        connection = plain.execution_options(is_writing=True)
        with connection.begin():
            yield connection


def _prepare(engine: Engine) -> None:
    with reading(engine) as connection:
        revision = _revision(connection)
    if revision == REVISION:
        return
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode = WAL")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"
            )
        _migrate(connection)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    query = sa.text("SELECT version_num FROM alembic_version")
    revision: str | None = connection.execute(query).scalar()
    return revision


def _migrate(connection: Connection) -> None:
    """Run the migrations that are missing; another process may have been faster."""
    # Imported here: Alembic costs a third of a second and is seldom needed.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "contrafact.catalog:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    found = _revision(connection)
    known = {s.revision for s in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise CatalogError(
            f"The catalog has the tables of a newer version ({found}; this one knows "
            f"{REVISION}). Upgrade contrafact."
        )
    command.upgrade(config, "head")
