"""Results as text, tables, HTML and plots; computes nothing, imports no torch.

Everything here takes finished records from `contrafact.core.results`, and
audio as arrays, and says them to a person. What a number means is decided in
`attribution`; how it is written, drawn and played is decided here.
"""

from contrafact.reports.headline import headline
from contrafact.reports.html import render_html
from contrafact.reports.inputs import ReportInputs, Sound
from contrafact.reports.plots import loss_plot_svg
from contrafact.reports.text import render_table, render_text
from contrafact.reports.verdict import verdict

__all__ = [
    "ReportInputs",
    "Sound",
    "headline",
    "loss_plot_svg",
    "render_html",
    "render_table",
    "render_text",
    "verdict",
]
