from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from contrafact.audit import BundleContent, write_bundle
from contrafact.catalog import Workspace
from contrafact.ledger.rates import PlanLine, SplitPlan
from contrafact.ledger.records import PlayEvent
from contrafact.workflows import ledger
from contrafact.workflows.audit import read_log, workspace_signer
from contrafact.workflows.payments import verify_payment_bundle
from contrafact.workflows.statements import make_payment_bundle, publish, settlements_of

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "verify/contrafact_verify_payment.py"
EVIDENCE = "releases/payment/EUR.evidence.json"
MAX_SECONDS = 10
MAX_LINES = 400
START = datetime(2026, 3, 1, tzinfo=UTC)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the verifier as a payee does: no packages, no settings."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdict(*words: object) -> Any:
    """Return what the verifier says, as JSON."""
    done = run(*words, "--json")
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["is_true"] == (done.returncode == 0)
    return found


def plan(output: str, weights: list[int]) -> SplitPlan:
    """Return a plan of four fifths by weights, and a fifth of background."""
    shares = [Fraction(4 * w, 5 * sum(weights)) for w in weights]
    lines = [
        PlanLine(
            bucket="attributed",
            payee=f"P-{n}",
            right="master",
            source_id=f"R-{n}",
            weight=share,
            share=share,
            low=share / 2,
            high=min(2 * share, Fraction(1)),
            fraction=Fraction(1),
        )
        for n, share in enumerate(shares)
    ]
    rest = PlanLine(
        bucket="background",
        payee="P-0",
        right="master",
        source_id="",
        weight=Fraction(1, 5),
    )
    return SplitPlan(
        output_id=output,
        lines=(*lines, rest),
        attribution_id=f"A-{output}",
        model="m" * 64,
        corpus="c" * 64,
        policy="influence/1",
        valid_from=date(1971, 1, 1),
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a workspace with two closed months, a dispute and its release."""
    from contrafact.workflows.audit import append_entry

    root = tmp_path_factory.mktemp("payment")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRAFACT_KEYS", str(root / "keys"))
        from contrafact.audit import generate_key

        generate_key(root / "keys")
        opened = Workspace.init(root / "workspace")
        append_entry(opened, "policy", {"number": 1})
        with ledger.open_journal(opened) as journal:
            journal.add_plans(plan(f"o{n}", [3, 5 + n, 7]) for n in range(20))
            events = [
                PlayEvent(
                    event_id=f"e{n}",
                    output_id=f"o{n % 21}",
                    at=START + timedelta(hours=n),
                    amount_minor=n % 11,
                    currency="EUR",
                )
                for n in range(1200)
            ]
            journal.post(events)
            found = journal.dispute("two claims", source_id="R-1", output_id="o3")
        ledger.close(opened, "2026-03")
        ledger.release(opened, found.id, "settled")
        ledger.dispute(opened, "another", output_id="o4")
        ledger.close(opened, "2026-04")
        yield opened


@pytest.fixture(scope="module")
def bundle(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a true bundle of the second month; not to be changed."""
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    make_payment_bundle(workspace, "2026-04", "P-1", out)
    return out


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that gives a copy of the bundle, to spoil."""

    def copy_() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return Path(shutil.copytree(bundle, tmp_path / "copy"))

    return copy_


def test_the_true_bundle_is_accepted_in_time(
    workspace: Workspace, bundle: Path
) -> None:
    """The payment is worked out again, and is that of the settlement."""
    key = next((workspace.root.parent / "keys").glob("*.pub.pem"))
    started = time.monotonic()
    found = verdict(bundle, "--key", key)
    assert time.monotonic() - started < MAX_SECONDS
    assert found["problems"] == []
    settled = settlements_of(workspace, "2026-04")["EUR"]
    leaf = settled.payee_proof("P-1")["leaf"]
    owed = leaf["cumulative"] - leaf["before"]
    assert f"P-1 is owed {owed} / 10^2 EUR for 2026-04" in found["notes"]
    assert verify_payment_bundle(bundle, key=key).is_true


def test_twenty_random_alterations_are_caught(copy: Callable[[], Path]) -> None:
    """One byte anywhere, and the verifier names the file; so does the package."""
    rng = random.Random(11)
    for _ in range(20):
        spoilt = copy()
        files = sorted(p for p in spoilt.rglob("*") if p.is_file())
        path = rng.choice(files)
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        found = verdict(spoilt)
        named = {problem["file"] for problem in found["problems"]}
        assert path.relative_to(spoilt).as_posix() in named
        assert not verify_payment_bundle(spoilt).is_true


def first(keys: Any) -> Any:
    """Return the first of some keys."""
    return sorted(keys)[0]


def _raise_amount(evidence: Any) -> None:
    evidence["payee"]["leaf"]["cumulative"] += 1


def _lower_total(evidence: Any) -> None:
    evidence["pools"][first(evidence["pools"])]["leaf"]["total"] -= 1


def _lower_weight(evidence: Any) -> None:
    evidence["lines"][0]["line"]["weight"] = "1/100"


def _drop_line(evidence: Any) -> None:
    del evidence["lines"][0]


def _repeat_line(evidence: Any) -> None:
    evidence["lines"].append(evidence["lines"][0])


def _move_cut(evidence: Any) -> None:
    evidence["header"]["cut"]["remainder"] = "99999/100000"


def _forget_dispute(evidence: Any) -> None:
    evidence["disputes"].clear()


def _widen_dispute(evidence: Any) -> None:
    id_ = first(evidence["disputes"])
    evidence["disputes"][id_]["output_id"] = ""


def _other_plan(evidence: Any) -> None:
    evidence["plans"][first(evidence["plans"])]["policy"] = "equal/1"


def _other_root(evidence: Any) -> None:
    evidence["header"]["payees_root"] = "0" * 64


LIES = [
    _raise_amount,
    _lower_total,
    _lower_weight,
    _drop_line,
    _repeat_line,
    _move_cut,
    _forget_dispute,
    _widen_dispute,
    _other_plan,
    _other_root,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_payer_who_signs_a_lie_is_caught(
    lie: Callable[[Any], None],
    workspace: Workspace,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sums and signature are right, and what they are of is not."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(workspace.root.parent / "keys"))
    folder = bundle / "releases/payment"
    evidence = json.loads((bundle / EVIDENCE).read_bytes())
    lie(evidence)
    (tmp_path / "EUR.evidence.json").write_text(json.dumps(evidence))
    files = {f"payment/{path.name}": path for path in folder.iterdir()}
    files["payment/EUR.evidence.json"] = tmp_path / "EUR.evidence.json"
    out = tmp_path / "signed"
    content = BundleContent(releases=files)
    write_bundle(read_log(workspace), out, signer=workspace_signer(), content=content)
    problems = verdict(out)["problems"]
    assert any(problem["file"].startswith("releases/payment") for problem in problems)
    assert not verify_payment_bundle(out).is_true


def test_a_bundle_without_payment_is_not_true(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in which nothing is owed to anybody proves nothing."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(workspace.root.parent / "keys"))
    out = tmp_path / "empty"
    signer = workspace_signer()
    write_bundle(read_log(workspace), out, signer=signer, content=BundleContent())
    assert verdict(out)["problems"][0]["message"] == "holds no payment"
    assert not verify_payment_bundle(out).is_true


def test_a_settlement_is_published_once(workspace: Workspace, bundle: Path) -> None:
    """Making bundles again adds nothing to the log."""
    size = read_log(workspace).checkpoint().size
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRAFACT_KEYS", str(workspace.root.parent / "keys"))
        for settlement in settlements_of(workspace, "2026-04").values():
            publish(workspace, settlement)
        assert read_log(workspace).checkpoint().size == size


def test_it_shows_nobody_else(bundle: Path) -> None:
    """No other payee's name or line is in a payee's evidence."""
    evidence = json.loads((bundle / EVIDENCE).read_bytes())
    evidence["header"].pop("cut")
    evidence["header"].pop("cut_before")
    text = json.dumps(evidence)
    assert '"P-1"' in text
    assert '"P-0"' not in text
    assert '"P-2"' not in text


def test_it_needs_nothing_but_python() -> None:
    """Standard library and the other verifier alone, and short enough to read."""
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    tree = ast.parse(text)
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= {*sys.stdlib_module_names, "contrafact_verify"}


def test_no_bundle_cannot_be_told(tmp_path: Path) -> None:
    """A folder of something else is neither true nor false."""
    assert run(tmp_path).returncode == 2
