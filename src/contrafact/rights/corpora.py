"""What the built-in corpora allow: a table of consents beside their audio.

The works are in the public domain or made by the program, and the program
rendered the recordings, so everything is allowed. It is said file by file, in
a table that goes through the same reader as anybody's.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from contrafact.catalog import digest_file, read_metadata, write_bytes
from contrafact.rights.consent import Right, Use
from contrafact.rights.readers.table import CONSENT_COLUMNS

__all__ = ["CONSENTS_NAME", "STATEMENTS", "write_corpus_consents"]

CONSENTS_NAME = "consents.csv"
"""Of the table beside `metadata.csv`."""

STATEMENTS: dict[str, dict[Right, tuple[str, str]]] = {
    "scores": {
        Right.MASTER: ("contrafact", "rendered from the score by the corpus 'scores'"),
        Right.COMPOSITION: ("public domain", "the work's term of protection is over"),
    },
    "planted": {
        Right.MASTER: ("contrafact", "rendered by the corpus 'planted'"),
        Right.COMPOSITION: ("contrafact", "composed by the corpus 'planted'"),
    },
}
"""Grantor and source of each right, by corpus."""


def write_corpus_consents(corpus: str, directory: str | Path) -> list[Path]:
    """Write the tables of consents of a corpus that was written.

    Args:
        corpus: Its name; nothing is written for one that makes no statement.
        directory: Where it is; its subfolder `heldout` gets a table too.

    Returns:
        The tables, one for each folder that has a `metadata.csv`.

    Raises:
        StorageError: If the disk is full or not writable.
        CatalogError: If a file of the corpus cannot be read.
    """
    if corpus not in STATEMENTS:
        return []
    folders = (Path(directory), Path(directory) / "heldout")
    return [_write(corpus, f) for f in folders if (f / "metadata.csv").is_file()]


def _write(corpus: str, folder: Path) -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CONSENT_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in read_metadata(folder / "metadata.csv").rows:
        digest = digest_file(folder / row.file)
        for right, (grantor, source) in STATEMENTS[corpus].items():
            writer.writerow(
                {
                    "right": right,
                    "file_sha256": digest,
                    "title": row.title or "",
                    "use": ";".join(Use),
                    "allowed": "yes",
                    "grantor": grantor,
                    "territory": "worldwide",
                    "revocable": "no",
                    "source": source,
                }
            )
    path = folder / CONSENTS_NAME
    write_bytes(path, text.getvalue().encode())
    return path
