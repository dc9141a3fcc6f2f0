"""The report as a page: one file that needs nothing else, and a PNG of each plot beside it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from classifier.tuning.report import TuningReport
from models.errors import ConfigError
from serving.tuning import words
from serving.tuning.draw import VARIABLES, Plot, plots
from serving.tuning.tuned import written

PAGE: Final = "report.html"


def write_report(folder: Path, report: TuningReport, notes: Sequence[str]) -> Path:
    """Write the page and its plots; the page's path."""
    drawn = tuple(plots(report))
    page = render(report, drawn, notes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in drawn:
            (folder / f"{plot.name}.png").write_bytes(plot.png)
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report: {folder} cannot be written: {error}.") from error
    return folder / PAGE


def render(report: TuningReport, drawn: Sequence[Plot], notes: Sequence[str]) -> str:
    """The page's HTML."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        {
            "share": words.share,
            "points": words.points,
            "per_thousand": words.per_thousand,
            "written": written,
            "inline": _inline,
        }
    )
    template = environment.from_string(
        files("serving.tuning").joinpath(PAGE).read_text(encoding="utf-8")
    )
    return template.render(report=report, plots=drawn, notes=notes, words=words)


def _inline(plot: Plot) -> Markup:
    """The drawing as part of the page: in the page's font and, by variables, its colours."""
    svg = plot.svg[plot.svg.index("<svg") :]
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    label = escape(f"{plot.title}. {plot.says}")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))  # noqa: S704 - ours, and text in it is escaped by matplotlib
