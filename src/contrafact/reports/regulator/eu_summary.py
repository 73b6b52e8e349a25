"""The public summary of training content: EU AI Act, Article 53(1)(d)."""

from __future__ import annotations

from collections.abc import Iterator

from contrafact.reports.regulator._common import (
    audio_band,
    document_of,
    hours,
    manifest_evidence,
    model_lines,
    rendered_lines,
    source_lines,
    trained_recordings,
    withdrawal_evidence,
)
from contrafact.reports.regulator.document import (
    Document,
    Line,
    Section,
    gap,
    line,
)
from contrafact.reports.regulator.facts import Facts

__all__ = ["eu_summary"]

_CAVEAT = (
    "Filled from the records of one workspace. Whether the model is a general-purpose "
    "AI model, and whether this text is enough, are legal questions that it does not "
    "answer. It shows what was listed and signed, not that nothing else was read."
)


def eu_summary(facts: Facts) -> Document:
    """Return the summary, in the three parts of the Commission's template.

    References:
        Regulation (EU) 2024/1689, Article 53(1)(d); template of 24 July 2025,
        C(2025) 8311.
    """
    return document_of(
        "eu-summary",
        facts,
        title="Public summary of training content",
        rule="Regulation (EU) 2024/1689, Article 53(1)(d); template C(2025) 8311",
        sections=(
            Section(title="1.1 Provider", lines=tuple(_provider(facts))),
            Section(title="1.2 Model", lines=tuple(_model(facts))),
            Section(title="1.3 Modalities and size", lines=tuple(_size(facts))),
            Section(
                title="2.1 and 2.2 Datasets, public and licensed",
                note="By who allowed the training, and in which document.",
                lines=tuple(_licensed(facts)),
            ),
            Section(title="2.3 to 2.6 Other sources", lines=tuple(_other(facts))),
            Section(
                title="3.1 Reservations of rights", lines=tuple(_reservations(facts))
            ),
            Section(
                title="3.2 Illegal content",
                lines=(facts.said("illegal_content", "Measures"),),
            ),
        ),
        caveat=_CAVEAT,
    )


def _provider(facts: Facts) -> Iterator[Line]:
    yield facts.said("provider_name", "Provider")
    yield facts.said("provider_address", "Address")
    yield facts.said("contact", "Contact")
    yield facts.said("representative", "Authorised representative")


def _model(facts: Facts) -> Iterator[Line]:
    yield from model_lines(facts)
    yield facts.said("placed_on_market", "Placed on the market")


def _size(facts: Facts) -> Iterator[Line]:
    ids = trained_recordings(facts)
    if not ids:
        yield gap(
            "Audio",
            "which recordings were trained on. Write it with `contrafact manifest "
            "build`",
        )
        return
    known = [r for r in facts.recordings if r.id in ids]
    length_h = hours(known)
    proof = [e for m in facts.manifests for e in manifest_evidence(m, facts)]
    text = (
        f"{audio_band(length_h)}: {length_h:.2f} h of music in {len(known)} "
        "recording(s)"
    )
    yield line("Audio", text, facts.catalog, *proof)
    if lost := len(ids) - len(known):
        yield gap(
            "Audio no longer in the catalog", f"the length of {lost} recording(s)"
        )
    captions = sum(r.caption is not None for r in known)
    yield line("Text", f"{captions} caption(s), one a recording", facts.catalog)
    yield facts.said("collection_period", "Collected")


def _licensed(facts: Facts) -> Iterator[Line]:
    yield from source_lines(facts)
    trained = trained_recordings(facts)
    allowed = {r.id for r in facts.allowed}
    for manifest in facts.manifests:
        if manifest.n_without_consent:
            text = f"{manifest.n_without_consent} of {manifest.n_entries} entries"
            proof = manifest_evidence(manifest, facts)
            yield line("Listed without a consent", text, *proof)
    if lapsed := sorted(trained - allowed):
        text = f"{len(lapsed)} recording(s) in manifests are not allowed on {facts.on}"
        yield line("No longer allowed", text, facts.registry, facts.catalog)
    if not allowed:
        yield gap(
            "Consents",
            "any consent to train generative models. Take them in with `contrafact "
            "consent import`",
        )


def _other(facts: Facts) -> Iterator[Line]:
    yield facts.said("crawling", "2.3 Crawled and scraped")
    yield facts.said("user_data", "2.4 Data of users")
    rendered = list(rendered_lines(facts))
    yield from rendered
    if not rendered:
        yield gap("2.5 Synthetic", "whether recordings were made by AI models")


def _reservations(facts: Facts) -> Iterator[Line]:
    n = len(facts.reservations)
    text = (
        f"{n} reservation(s) on record; the most restrictive signal in force wins, and "
        "absence of a permission means no"
    )
    yield line("Signals read", text, facts.registry, facts.software)
    refused = len(facts.recordings) - len(facts.allowed)
    text = f"{refused} of {len(facts.recordings)} recording(s) may not be trained on"
    yield line(f"Decided for {facts.on}", text, facts.registry, facts.catalog)
    for w in facts.withdrawals:
        text = f"effective {w.effective}, {w.n_recordings} recording(s), {w.policy}"
        yield line(f"Withdrawal {w.id}", text, *withdrawal_evidence(w))
