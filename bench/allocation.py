"""Measure policies on a made-up market: inequality, intervals, tricks, rounding.

    python bench/allocation.py          # writes bench/results/allocation.json

The market is drawn from a seed: catalogues of very unlike size, songs shaped by
a dozen recordings each, plays with a long tail, in two periods with different
songs. Nobody is invented: catalogues are numbered. It says what a policy does
with such a market and what tricks gain there by the lab's model of how
attribution answers; it does not say how a model that was trained on the tricks
would answer. For a workspace: `contrafact allocate compare`.

Each policy is under attack three times: as it is; behind clustering, cap and
outlier gate; and behind these with the growth gate, and with reliability
measured after the attack. The growth gate has a price, measured too: the part
of honest money that it holds when the songs change from period to period.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from contrafact.ledger.attacks import ATTACKS
from contrafact.ledger.case import Case, Facts, Size, make_usage
from contrafact.ledger.defences import UNDER_REVIEW, defended
from contrafact.ledger.lab import compare, measure_attack, usual_defences
from contrafact.ledger.money import CumulativeSplit, Money, split
from contrafact.ledger.policies import POLICIES
from contrafact.ledger.records import (
    Holding,
    OutputAttribution,
    PlayEvent,
    ShareRecord,
)

RESULT = Path(__file__).parent / "results" / "allocation.json"
NAMES = ("minutes", "equal", "recordings", "influence", "user-centric", "blended")
POOL = Money.of(1_000_000, "EUR")
N_CATALOGUES, N_SONGS, N_SHAPING = 24, 40, 12


def market(seed: int) -> tuple[Facts, list[float]]:
    """Return catalogues of 1 to 40 recordings, and how apt each recording is."""
    rng = random.Random(seed)
    sizes, catalogues, aptness = {}, {}, []
    for n in range(N_CATALOGUES):
        catalogue_aptness = rng.lognormvariate(0, 0.7)
        for r in range(max(1, round(40 / (n + 1) ** 0.8))):
            source = f"r{n:02}-{r:02}"
            sizes[source] = Size(duration_ms=rng.randrange(90_000, 360_000))
            catalogues[source] = f"c{n:02}"
            aptness.append(catalogue_aptness * rng.lognormvariate(0, 0.8))
    reliability = {
        f"c{n:02}": Fraction(rng.randrange(30, 96), 100) for n in range(N_CATALOGUES)
    }
    facts = Facts(sizes=sizes, catalogues=catalogues, reliability=reliability)
    return facts, aptness


def period(facts: Facts, aptness: Sequence[float], *, seed: int) -> Case:
    """Return a period's plays of songs that nobody played before."""
    rng = random.Random(seed)
    sources = list(facts.sizes)
    attributions, plays = {}, []
    for n in range(N_SONGS):
        song = f"song-{seed}-{n:03}"
        attributions[song] = _attribution(rng, song, sources, aptness)
        for p in range(max(1, round(60 / (n + 1)))):
            plays.append(
                PlayEvent(
                    event_id=f"{song}-{p}",
                    output_id=song,
                    at=datetime(2026, 1, 1, tzinfo=UTC),
                    amount_minor=rng.choice((0, 1, 2, 4)),
                    currency="EUR",
                    user=f"u{rng.randrange(20)}",
                )
            )
    for user in range(20):
        plays.append(
            PlayEvent(
                event_id=f"fee-{seed}-{user}",
                output_id="",
                at=datetime(2026, 1, 1, tzinfo=UTC),
                amount_minor=999,
                currency="EUR",
                user=f"u{user}",
                kind="subscription",
            )
        )
    usage = make_usage(plays)
    return Case(right="master", usage=usage, attributions=attributions, facts=facts)


def _attribution(
    rng: random.Random, song: str, sources: Sequence[str], aptness: Sequence[float]
) -> OutputAttribution:
    """Draw a dozen sources by aptness; together they have 15 to 60 % of the song."""
    shaping = sorted(set(rng.choices(sources, aptness, k=N_SHAPING)))
    parts = [rng.randrange(1, 100) for _ in shaping]
    told = Fraction(rng.randrange(15, 61), 100)
    shares = [told * part / sum(parts) for part in parts]
    records = []
    for source, share in zip(shaping, shares, strict=True):
        width = Fraction(rng.randrange(10, 61), 100)
        records.append(
            ShareRecord(
                output_id=song,
                source_id=source,
                share=share,
                low=share * (1 - width),
                high=min(Fraction(1), share * (1 + width)),
            )
        )
    return OutputAttribution(
        output_id=song,
        attribution_id=f"A-{song}",
        model="m",
        corpus="c",
        shares=tuple(records),
        unattributed=1 - sum(shares, start=Fraction(0)),
    )


def holdings(facts: Facts) -> list[Holding]:
    """Return one payee for each catalogue."""
    return [
        Holding(source_id=s, right="master", payee=c, fraction=Fraction(1))
        for s, c in facts.catalogues.items()
    ]


def policies_on(case: Case, *, draws: int) -> dict[str, Any]:
    """Return buckets, inequality and the width of money intervals, by policy."""
    compared = compare(
        POOL,
        case,
        policies=[POLICIES[name] for name in NAMES],
        holdings=holdings(case.facts),
        draws=draws,
    )
    found = {}
    for name, row in zip(NAMES, compared, strict=True):
        widths = sorted(
            (i.high - i.low) / i.amount
            for i in row.intervals.payees.values()
            if i.amount
        )
        gained = sum(change > 0 for change in row.changes.values())
        moved = sum(abs(change) for change in row.changes.values()) / 2
        found[name] = {
            "buckets": row.allocation.buckets,
            "gini": round(row.inequality.gini, 3),
            "top_tenth": round(row.inequality.top_tenth, 3),
            "herfindahl": round(row.inequality.herfindahl, 3),
            "payees_better_off_than_by_minutes": gained,
            "part_moved_against_minutes": round(moved / POOL.amount, 3),
            "median_interval_width_over_amount": round(widths[len(widths) // 2], 3),
        }
    return found


def tricks_on(case: Case) -> dict[str, Any]:
    """Return what each trick gains, by policy, for each strength of defence."""
    found: dict[str, Any] = {}
    for name in NAMES:
        policy = POLICIES[name]
        plain = usual_defences(policy, case, has_history=False)
        full = usual_defences(policy, case)
        found[name] = {}
        for attack in ATTACKS:
            rows = {
                "none": measure_attack(policy, case, attack=attack),
                "cluster, cap, gate": measure_attack(
                    policy, case, attack=attack, defences=plain
                ),
                "all": measure_attack(
                    policy, case, attack=attack, defences=full, is_remeasured=True
                ),
            }
            found[name][attack] = {
                defence: {
                    "worst": round(float(row.worst), 3),
                    "median": round(float(row.median), 3),
                    "within_20_percent": round(float(row.within_target), 3),
                }
                for defence, row in rows.items()
            }
        print(name, json.dumps(found[name]), flush=True)
    return found


def price_of_the_gate(before: Case, now: Case) -> dict[str, float]:
    """Return the part of honest money that the growth gate holds, by policy."""
    found = {}
    for name in NAMES:
        defences = usual_defences(POLICIES[name], before)
        division = defended(POLICIES[name], defences).divide(now)
        held = division.held.get(UNDER_REVIEW, Fraction(0))
        found[name] = round(float(held), 4)
    return found


def rounding(n_plays: int) -> dict[str, Any]:
    """Return the drift of rounding each play, beside cumulative totals.

    The baseline rounds every play by itself to the nearest unit, as a ledger
    without a rule would.
    """
    rng = random.Random(0)
    weights = {f"p{n:02}": Fraction(rng.randrange(1, 1000)) for n in range(20)}
    whole = sum(weights.values())
    plan, naive = CumulativeSplit(dict(weights)), dict.fromkeys(weights, 0)
    started = time.process_time()
    worst, total = Fraction(0), 0
    for n in range(n_plays):
        amount = rng.randrange(1, 500)
        plan.add(amount)
        total += amount
        for payee, weight in weights.items():
            naive[payee] += round(amount * weight / whole)
        if n % 97 == 0:
            had = plan.amounts
            off = [abs(had[p] - total * w / whole) for p, w in weights.items()]
            worst = max(worst, *off)
    elapsed = time.process_time() - started
    ids = sorted(weights)
    values = [weights[i] for i in ids]
    started = time.process_time()
    for n in range(2000):
        split(n, values, ids=ids)
    split_us = (time.process_time() - started) / 2000 * 1e6
    return {
        "n_plays": n_plays,
        "n_payees": len(weights),
        "most_units_off_cumulative": round(float(worst), 3),
        "units_lost_or_made_rounding_each_play": sum(naive.values()) - total,
        "most_units_off_rounding_each_play": round(
            float(max(abs(naive[p] - total * w / whole) for p, w in weights.items())), 1
        ),
        "split_of_20_payees_us": round(split_us, 1),
        "elapsed_s": round(elapsed, 1),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    started = time.process_time()
    facts, aptness = market(arguments.seed)
    before = period(facts, aptness, seed=arguments.seed + 100)
    now = period(facts, aptness, seed=arguments.seed + 200)
    result = {
        "market": {
            "seed": arguments.seed,
            "n_catalogues": N_CATALOGUES,
            "n_recordings": len(facts.sizes),
            "n_songs_a_period": N_SONGS,
            "n_plays": sum(row.n_plays for row in now.usage),
        },
        "rounding": rounding(3000),
        "policies": policies_on(now, draws=arguments.draws),
        "price_of_the_growth_gate": price_of_the_gate(before, now),
        "tricks": tricks_on(now),
    }
    result["processor_s"] = round(time.process_time() - started)
    text = json.dumps(result, indent=1)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
