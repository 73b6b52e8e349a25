"""Reading XML that somebody else wrote, without doing what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from contrafact.core.errors import RightsFileError

__all__ = ["children", "first_text", "local_name", "parse_xml", "schema_faults"]

_N_BYTES = 256 << 20
_N_FAULTS = 100


def parse_xml(path: Path) -> etree._Element:
    """Return the root of an XML file.

    Nothing is fetched, no entity is expanded, and a document type, which no
    message of this kind needs, is refused.

    Raises:
        RightsFileError: If it is no XML, has a document type, or is larger
            than 256 MiB.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > _N_BYTES:
            raise RightsFileError(
                f"{path} has {n_bytes} bytes, more than a message may have "
                f"({_N_BYTES}). Split it."
            )
        root = etree.parse(str(path), _parser()).getroot()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RightsFileError(f"Cannot read {path}: {reason}.") from error
    except etree.XMLSyntaxError as error:
        raise RightsFileError(f"{path} is no XML: {error.msg}.") from error
    if root.getroottree().docinfo.doctype:
        raise RightsFileError(
            f"{path} has a document type, which may hide entities. Remove it."
        )
    return root


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def schema_faults(root: etree._Element, schema: Path) -> list[tuple[int, str]]:
    """Return where a document breaks a schema: line and what is wrong.

    Args:
        root: Of the document.
        schema: An XSD file; what it includes is read from beside it.

    Raises:
        RightsFileError: If the schema itself cannot be used.
    """
    try:
        tree = etree.parse(str(schema), _parser())
        checker = etree.XMLSchema(tree)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RightsFileError(f"Cannot read {schema}: {reason}.") from error
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise RightsFileError(f"{schema} is no usable schema: {error}.") from error
    checker.validate(root.getroottree())
    return [(e.line, e.message) for e in checker.error_log][:_N_FAULTS]


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    return str(etree.QName(element).localname)


def children(element: etree._Element, *path: str) -> Iterator[etree._Element]:
    """Yield the descendants along a path of local names."""
    name, rest = path[0], path[1:]
    for child in element:
        if isinstance(child.tag, str) and local_name(child) == name:
            if rest:
                yield from children(child, *rest)
            else:
                yield child


def first_text(element: etree._Element, *path: str) -> str | None:
    """Return the text of the first descendant along a path that has any."""
    texts = ((child.text or "").strip() for child in children(element, *path))
    return next(filter(None, texts), None)
