"""Connecting to the database of the registry; SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from contrafact.core.errors import ConfigError, RegistryError, StorageError
from contrafact.rights._schema import METADATA, VERSION, meta

__all__ = ["connect", "reading", "writing"]

_BUSY_MS = 30_000
_CACHE_KIB = 32_768
_STORAGE_WORDS = ("full", "readonly", "read-only", "unable to open", "disk i/o")


@contextmanager
def _errors(engine: Engine) -> Iterator[None]:
    """Turn a failure of the database into one clear line."""
    try:
        yield
    except DBAPIError as error:
        place = engine.url.database or engine.url.render_as_string()
        reason = str(error.orig).strip().splitlines()[0]
        if any(word in reason.lower() for word in _STORAGE_WORDS):
            raise StorageError(
                f"Cannot use the registry of consents in {place}: {reason}. Check "
                "that the disk has space and that you may write there."
            ) from error
        raise RegistryError(
            f"Cannot use the registry of consents in {place}: {reason}. Check the "
            "database, or restore it from a backup."
        ) from error


def connect(url: str) -> Engine:
    """Return an engine for the database, its tables in place.

    Raises:
        ConfigError: If the URL is not one of SQLite or PostgreSQL.
        StorageError: If the database cannot be written.
        RegistryError: If it was made by a newer version, or cannot be used.
    """
    engine = _engine(url)
    try:
        with _errors(engine):
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
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _on_sqlite_begin(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one state of the database."""
    with _errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose changes happen together or not at all."""
    with _errors(engine), engine.connect() as plain:
        connection = plain.execution_options(is_writing=True)
        with connection.begin():
            yield connection


def _prepare(engine: Engine) -> None:
    with reading(engine) as connection:
        if sa.inspect(connection).has_table(meta.name):
            _check_version(connection)
            return
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode = WAL")
    with writing(engine) as connection:
        METADATA.create_all(connection)
        if connection.execute(sa.select(meta)).first() is None:
            connection.execute(meta.insert(), [{"version": VERSION}])


def _check_version(connection: Connection) -> None:
    found = connection.execute(sa.select(meta.c.version)).scalar()
    if found is None or found > VERSION:
        raise RegistryError(
            f"The registry of consents has tables of version {found}; this program "
            f"knows {VERSION}. Upgrade contrafact."
        )
