"""A corpus manifest described as Croissant, so that dataset tools can read it.

References:
    MLCommons Croissant format specification 1.0.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from contrafact.audit.manifest import LINES, Manifest
from contrafact.catalog.files import digest_file

__all__ = ["describe"]

_MEANING = {
    "work": "Id of the composition; empty if it is not known.",
    "recording": "Id of the recording.",
    "digest": "SHA-256 of the recording's file.",
    "right": "The right that the consent is about: master or composition.",
    "consent": "Id of the consent on record, or null.",
}
_TERMS = """
citeAs column conformsTo data dataType equivalentProperty examples extract field
fileProperty fileObject fileSet format includes isLiveDataset jsonPath key md5
parentField path recordSet references regex repeated replace samplingRate separator
source subField transform
"""


def describe(manifest: Manifest, *, name: str, published: date) -> dict[str, Any]:
    """Return the manifest's description as JSON-LD.

    The audio itself is no part of the data set: it belongs to its rights
    holders. What is described is the list of what may be trained on.

    Args:
        manifest: The manifest.
        name: What the corpus is called.
        published: The day of its making.

    Raises:
        CatalogError: If the manifest's file cannot be read.
    """
    header = manifest.header
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": (
            f"Manifest of a corpus of {header.n_files} audio files: {header.n_entries} "
            "rights in recordings, each with the consent on record. "
            f"RFC 9162 Merkle root {header.root}; of the file digests "
            f"{header.files_root}. Entries without a known composition: "
            f"{header.n_without_work}; without consent: {header.n_without_consent}."
        ),
        "datePublished": published.isoformat(),
        "version": f"1.0.0+{header.root[:16]}",
        "identifier": f"sha256:{header.root}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": LINES,
                "name": LINES,
                "contentUrl": LINES,
                "encodingFormat": "application/jsonlines",
                "sha256": digest_file(manifest.root / LINES),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "entries",
                "name": "entries",
                "description": "One right in one recording, in sorted order.",
                "field": [_field(column) for column in _MEANING],
            }
        ],
    }


def _context() -> dict[str, Any]:
    """Return what the terms mean, as the specification fixes it."""
    context: dict[str, Any] = {term: f"cr:{term}" for term in _TERMS.split()}
    context |= {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sc": "https://schema.org/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    }
    return context


def _field(column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"entries/{column}",
        "name": f"entries/{column}",
        "description": _MEANING[column],
        "dataType": "sc:Text",
        "source": {
            "fileObject": {"@id": LINES},
            "extract": {"column": column},
        },
    }
