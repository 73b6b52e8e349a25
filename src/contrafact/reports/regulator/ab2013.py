"""The documentation of training data: California AB 2013, twelve items."""

from __future__ import annotations

from collections.abc import Iterator

from contrafact.reports.regulator._common import (
    document_of,
    hours,
    manifest_evidence,
    release_evidence,
    rendered_lines,
    source_lines,
    trained_recordings,
)
from contrafact.reports.regulator.document import Document, Line, Section, gap, line
from contrafact.reports.regulator.facts import Facts

__all__ = ["ab2013"]

_CAVEAT = (
    "Filled from the records of one workspace; whether the law applies and this is "
    "enough is for counsel."
)


def ab2013(facts: Facts) -> Document:
    """Return the documentation that is to be posted, item by item.

    References:
        California Civil Code, section 3111, as added by AB 2013 (2024).
    """
    sections = (
        ("(1) Sources or owners of the datasets", _sources(facts)),
        ("(2) Intended purpose", [facts.said("intended_purpose", "Purpose")]),
        ("(3) Number of data points", _numbers(facts)),
        ("(4) Types of data points", _types(facts)),
        ("(5) Intellectual property", _property(facts)),
        ("(6) Purchased or licensed", _bought(facts)),
        (
            "(7) Personal information",
            [facts.said("personal_information", "Personal information")],
        ),
        (
            "(8) Aggregate consumer information",
            [facts.said("consumer_information", "Consumer information")],
        ),
        ("(9) Cleaning and processing", _processing(facts)),
        ("(10) Time of collection", [facts.said("collection_period", "Collected")]),
        ("(11) First use", _first_use(facts)),
        ("(12) Synthetic data generation", _synthetic(facts)),
    )
    return document_of(
        "ab2013",
        facts,
        title="Documentation of training data",
        rule="California AB 2013 (Civil Code, section 3111)",
        sections=(Section(title=title, lines=tuple(ls)) for title, ls in sections),
        caveat=_CAVEAT,
    )


def _sources(facts: Facts) -> Iterator[Line]:
    lines = list(source_lines(facts))
    yield from lines
    if not lines:
        yield gap("Sources", "who allowed any of it; see `contrafact consent import`")


def _numbers(facts: Facts) -> Iterator[Line]:
    for manifest in facts.manifests:
        text = f"{manifest.n_files} file(s), {manifest.n_entries} rights listed"
        yield line("Manifest", text, *manifest_evidence(manifest, facts))
    if not facts.manifests:
        yield gap(
            "Manifest",
            "a list of what is trained on. Write it with `contrafact manifest build`",
        )


def _types(facts: Facts) -> Iterator[Line]:
    ids = trained_recordings(facts)
    chosen = [r for r in facts.recordings if r.id in ids] or list(facts.recordings)
    rates = ", ".join(f"{r:,} Hz" for r in sorted({r.sample_rate for r in chosen}))
    text = f"music recordings, {hours(chosen):.2f} h in all, at {rates or 'no rate'}"
    yield line("Audio", text, facts.catalog)
    captions = sum(r.caption is not None for r in chosen)
    yield line("Text labels", f"{captions} caption(s)", facts.catalog)


def _property(facts: Facts) -> Iterator[Line]:
    """Yield what consents say; whether a right exists is not for records to say."""
    domain = [
        c
        for r in facts.allowed
        for c in facts.decisions[r.id].consents
        if c.grantor == "public domain"
    ]
    if domain:
        text = f"{len({c.subject_id for c in domain})} subject(s) are said to be so"
        yield line("Public domain", text, facts.registry)
    claimed = [
        c
        for r in facts.allowed
        for c in facts.decisions[r.id].consents
        if c.grantor not in ("public domain", "")
    ]
    if claimed:
        n = len({c.grantor for c in claimed})
        text = f"used by permission of {n} grantor(s), listed in (1)"
        yield line("Protected", text, facts.registry)
    if not domain and not claimed:
        yield gap("Protection", "what the data are protected by")
    yield gap("Trademarks and patents", "whether the data hold any")


def _bought(facts: Facts) -> Iterator[Line]:
    n = len(facts.allowed)
    text = f"{n} of {len(facts.recordings)} recording(s) are there by consent"
    yield line("Licensed", text, facts.registry, facts.catalog)
    yield facts.said("purchased", "Purchased")


def _processing(facts: Facts) -> Iterator[Line]:
    text = (
        "files are checked, decoded, mixed to one channel, resampled to the codec's "
        "rate, cut into windows and encoded as latents; files that are damaged, silent "
        "or twice there are left out"
    )
    yield line("Processing", text, facts.software)


def _first_use(facts: Facts) -> Iterator[Line]:
    made = sorted(release.created for release in facts.releases)
    if made and not facts.provider.get("first_use"):
        text = f"not later than the first release, {made[0][:10]}"
        first = next(r for r in facts.releases if r.created == made[0])
        yield line("First use", text, *release_evidence(first))
    else:
        yield facts.said("first_use", "First use")


def _synthetic(facts: Facts) -> Iterator[Line]:
    yield from rendered_lines(facts)
    yield gap(
        "Other synthetic data",
        "whether recordings of others were made by models. Their disclosures come in "
        "with `contrafact consent import` (DDEX ContainsAI)",
    )
