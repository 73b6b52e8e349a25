"""Documents for regulators and rights holders, from what a workspace records.

Each document is a function of `Facts`; each line of it names its evidence, or
is a gap that says so. Nothing here looks anything up or decides anything.
"""

from contrafact.reports.regulator.ab2013 import ab2013
from contrafact.reports.regulator.copyright_policy import copyright_policy
from contrafact.reports.regulator.document import (
    Document,
    Evidence,
    Line,
    Section,
    document_to_json,
)
from contrafact.reports.regulator.eu_summary import eu_summary
from contrafact.reports.regulator.facts import PROVIDER_FIELDS, Facts
from contrafact.reports.regulator.html import render_regulator_html
from contrafact.reports.regulator.markdown import render_markdown
from contrafact.reports.regulator.notices import per_work_notice
from contrafact.reports.regulator.reservations import rights_reservations

__all__ = [
    "PROVIDER_FIELDS",
    "Document",
    "Evidence",
    "Facts",
    "Line",
    "Section",
    "ab2013",
    "copyright_policy",
    "document_to_json",
    "eu_summary",
    "per_work_notice",
    "render_markdown",
    "render_regulator_html",
    "rights_reservations",
]
