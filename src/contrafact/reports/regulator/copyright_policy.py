"""The copyright policy: the five measures of the Code of Practice."""

from __future__ import annotations

from collections.abc import Iterator

from contrafact.reports.regulator._common import document_of, withdrawal_evidence
from contrafact.reports.regulator.document import (
    Document,
    Evidence,
    Line,
    Section,
    gap,
    line,
)
from contrafact.reports.regulator.facts import Facts

__all__ = ["copyright_policy"]

_CAVEAT = (
    "States what this workspace's records and this version of the program show. "
    "Adopting it as a policy is for the provider."
)
_RULES = (
    "both the master and the composition must be allowed; the most restrictive signal "
    "in force wins; absence of a permission means no"
)


def copyright_policy(facts: Facts) -> Document:
    """Return the policy, measure by measure.

    References:
        Regulation (EU) 2024/1689, Article 53(1)(c); General-Purpose AI Code of
        Practice, copyright chapter, 10 July 2025.
    """
    return document_of(
        "copyright-policy",
        facts,
        title="Copyright policy",
        rule="Regulation (EU) 2024/1689, Article 53(1)(c); Code of Practice, copyright",
        sections=(
            Section(title="1.1 Policy and who answers for it", lines=_policy(facts)),
            Section(
                title="1.2 Lawfully accessible content", lines=tuple(_access(facts))
            ),
            Section(title="1.3 Rights reservations", lines=tuple(_reservations(facts))),
            Section(title="1.4 Infringing outputs", lines=tuple(_outputs(facts))),
            Section(title="1.5 Contact and complaints", lines=_contact(facts)),
        ),
        caveat=_CAVEAT,
    )


def _policy(facts: Facts) -> tuple[Line, ...]:
    return (
        facts.said("provider_name", "Provider"),
        facts.said("responsible", "Responsible"),
        line("Rule for training", _RULES, facts.software, facts.registry),
    )


def _access(facts: Facts) -> Iterator[Line]:
    yield facts.said("lawful_access", "Lawful access")
    n = len(facts.allowed)
    text = f"{n} of {len(facts.recordings)} recording(s) are allowed on {facts.on}"
    yield line("By consent", text, facts.registry, facts.catalog)
    stamped = [m for m in facts.models if m.stamp]
    if stamped:
        names = ", ".join(m.id for m in stamped)
        text = f"model(s) {names} were trained without consents, and say so for good"
        shown = [
            Evidence(kind="release", id=m.id, command=f"contrafact models show {m.id}")
            for m in stamped
        ]
        yield line("Without consent", text, *shown)


def _reservations(facts: Facts) -> Iterator[Line]:
    text = (
        "robots.txt, ai.txt, TDMRep, TDM·AI, content credentials (CAWG), DDEX deals "
        "and tables are read"
    )
    yield line("Signals", text, facts.software)
    text = (
        f"{len(facts.reservations)} reservation(s), {len(facts.conflicts)} conflict(s)"
    )
    yield line("On record", text, facts.registry)
    for w in facts.withdrawals:
        text = f"effective {w.effective}, {w.n_recordings} recording(s), {w.policy}"
        yield line(f"Withdrawal {w.id}", text, *withdrawal_evidence(w))
    yield facts.said("crawling", "Crawlers")


def _outputs(facts: Facts) -> Iterator[Line]:
    outputs = facts.outputs
    if outputs.n_outputs:
        text = (
            f"{outputs.n_marked} of {outputs.n_files} file(s) of {outputs.n_outputs} "
            "output(s) carry signed content credentials"
        )
        yield line("Marked outputs", text, facts.register)
        for reason in outputs.reasons:
            yield line("Not marked, because", reason, facts.register)
    else:
        yield gap("Marked outputs", "any output. `contrafact generate` registers each")
    yield gap(
        "Filter",
        "a check of outputs against the catalog before they are handed out. Look at "
        "single ones with `contrafact attribute`",
    )


def _contact(facts: Facts) -> tuple[Line, ...]:
    return (
        facts.said("contact", "Point of contact"),
        facts.said("complaints_procedure", "Complaints"),
        gap("Complaints received", "complaints. Keep them, with the days of answers"),
    )
