"""A statement as PDF, for people; the same statement gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from contrafact.ledger.exports.fields import as_decimal, percent, totals
from contrafact.ledger.statements import Statement, StatementLine

__all__ = ["statement_pdf"]

_FONT, _BOLD = "Vera", "VeraBd"
_HEAD = ("Output", "Right", "Source", "Share, 90 % interval", "Plays", "Owed", "Held")
_N_TEXTS = 4
_WIDTHS = (27, 25, 52, 43, 18, 25, 25)
_MM = 72 / 25.4
_GREY = (0.45, 0.45, 0.45)


def statement_pdf(statement: Statement, names: Mapping[str, str]) -> bytes:
    """Return a statement as PDF on A4 in landscape.

    The font is embedded; characters that it lacks are shown as a box, while
    the CSV and JSON of the same statement have them all.
    """
    # Imported here: it costs time and is seldom needed.
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    name = names.get(statement.payee, statement.payee)
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=landscape(A4),
        leftMargin=20 * _MM,
        rightMargin=20 * _MM,
        topMargin=18 * _MM,
        bottomMargin=18 * _MM,
        title=f"Statement {statement.period} {statement.currency.code} {name}",
        author="contrafact",
        # Without this, the time and a random number would be in the file.
        invariant=1,
    )
    foot = _footer(statement)
    story = [*_above(statement, name), _table(statement, names), *_below(statement)]
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _register_fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for font in (_FONT, _BOLD):
        if font not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(font, f"{font}.ttf"))


def _style(size: float, *, bold: bool = False, **more: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    font = _BOLD if bold else _FONT
    return ParagraphStyle(
        f"{font}{size}", fontName=font, fontSize=size, leading=size * 1.35, **more
    )


def _text(text: str, size: float = 7.5, **options: Any) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(escape(text), _style(size, **options))


def _above(statement: Statement, name: str) -> list[Any]:
    from reportlab.platypus import Spacer

    fields = totals(statement)
    state = "" if statement.is_final else " (preliminary: the period is still open)"
    money = statement.currency.written
    return [
        _text(f"Statement for {name}", 16, bold=True),
        Spacer(1, 2 * _MM),
        _text(f"Period {statement.period}, {statement.currency.code}{state}", 10),
        Spacer(1, 4 * _MM),
        _text(f"Owed for this period: {fields['amount']}", 12, bold=True),
        Spacer(1, 1 * _MM),
        _text(
            f"In all up to now {money(statement.cumulative)}, of which before this "
            f"period {money(statement.before)}. On hold: "
            f"{_money(statement, statement.held)} {statement.currency.code}.",
            9,
        ),
        Spacer(1, 5 * _MM),
    ]


def _money(statement: Statement, value: Any) -> str:
    """Return an exact amount in major units with four more decimals."""
    places = statement.currency.exponent
    major = value / 10**places
    return f"{as_decimal(major, places=places + 4)}"


def _table(statement: Statement, names: Mapping[str, str]) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import Table

    sides = [{} if n < _N_TEXTS else {"alignment": 2} for n in range(len(_HEAD))]
    head = [_text(w, bold=True, **side) for w, side in zip(_HEAD, sides, strict=True)]
    rows = [_row(statement, line, names) for line in statement.lines]
    empty = [[_text("Nothing came in or was given free.")] + [""] * (len(_HEAD) - 1)]
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, colors.black),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.lightgrey),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        *([] if rows else [("SPAN", (0, 1), (-1, 1))]),
    ]
    return Table(
        [head, *(rows or empty)],
        colWidths=[width * _MM * 1.19 for width in _WIDTHS],
        repeatRows=1,
        style=style,
        hAlign="LEFT",
    )


def _row(
    statement: Statement, line: StatementLine, names: Mapping[str, str]
) -> list[Any]:
    of = line.line
    source = names.get(of.source_id, of.source_id) or "all licensed recordings"
    share = percent(of.share)
    if of.low is not None and of.high is not None:
        share += f" ({percent(of.low)} to {percent(of.high)})"
    held = _money(statement, line.held) if line.held else ""
    bucket = "" if of.bucket == "attributed" else f", {of.bucket}"
    numbers = {"alignment": 2}
    return [
        _text(line.output_id[:12]),
        _text(f"{of.right}{bucket}"),
        _text(source),
        _text(share or "by the policy"),
        _text(str(line.n_plays), **numbers),
        _text(_money(statement, line.exact), **numbers),
        _text(held, **numbers),
    ]


def _below(statement: Statement) -> list[Any]:
    from reportlab.platypus import Spacer

    plans = {line.plan_id: line.plan for line in statement.lines}
    lines = [
        f"{p.output_id[:12]}: attribution {p.attribution_id}, model {p.model[:16]}, "
        f"corpus {p.corpus[:16]}, policy {p.policy}, plan {id_}."
        for id_, p in sorted(plans.items(), key=lambda item: item[1].output_id)
    ]
    lines += _each_once(
        f"{line.output_id[:12]}: {line.n_plays} plays of {line.period}, event file "
        f"SHA-256 {line.events}."
        for line in statement.lines
    )
    lines += _each_once(
        f"{line.output_id[:12]}: {line.line.source_id or 'background'} is held by "
        f"dispute {reason}."
        for line in statement.lines
        for reason in line.hold_reasons
    )
    lines.append(
        "Owed and held are cut to the decimals shown; CSV and JSON have the exact "
        "fractions. Money is rounded once, in sum over all periods, so that nobody is "
        "a unit or more off. A bundle of this statement proves each figure: see "
        "contrafact_verify_payment.py."
    )
    return [Spacer(1, 5 * _MM), *(_text(line, 6.5) for line in lines)]


def _each_once(lines: Iterable[str]) -> list[str]:
    return sorted(set(lines))


def _footer(statement: Statement) -> Any:
    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 6.5)
        canvas.setFillColorRGB(*_GREY)
        canvas.drawString(20 * _MM, 10 * _MM, f"Settlement {statement.settlement}")
        right = document.pagesize[0] - 20 * _MM
        canvas.drawRightString(right, 10 * _MM, f"Page {document.page}")
        canvas.restoreState()

    return draw
