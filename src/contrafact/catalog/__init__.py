"""The recordings we know: reading audio, keeping files, the catalog, ingest."""

from __future__ import annotations

from contrafact.catalog._walk import Found, find_audio
from contrafact.catalog.atomic import (
    atomic_path,
    canonical_json,
    remove_leftovers,
    storage_errors,
    write_bytes,
    write_json,
)
from contrafact.catalog.audio import (
    Audio,
    AudioFacts,
    AudioInfo,
    audio_problems,
    check_suffix,
    container_of,
    encode_audio,
    probe_audio,
    read_audio,
    read_info,
    read_tags,
    write_audio,
)
from contrafact.catalog.files import FileStore, digest_file
from contrafact.catalog.ingest import IngestReport, Progress, examine, ingest
from contrafact.catalog.metadata import MetadataRow, MetadataTable, read_metadata
from contrafact.catalog.store import Catalog, Entry
from contrafact.catalog.workspace import Workspace

__all__ = [
    "Audio",
    "AudioFacts",
    "AudioInfo",
    "Catalog",
    "Entry",
    "FileStore",
    "Found",
    "IngestReport",
    "MetadataRow",
    "MetadataTable",
    "Progress",
    "Workspace",
    "atomic_path",
    "audio_problems",
    "canonical_json",
    "check_suffix",
    "container_of",
    "digest_file",
    "encode_audio",
    "examine",
    "find_audio",
    "ingest",
    "probe_audio",
    "read_audio",
    "read_info",
    "read_metadata",
    "read_tags",
    "remove_leftovers",
    "storage_errors",
    "write_audio",
    "write_bytes",
    "write_json",
]
