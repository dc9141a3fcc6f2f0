"""The plots of a tuning: one look for all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias

import numpy as np

from classifier.tuning.confusion import Confusion, Mistake
from classifier.tuning.guarantee import Guarantee, NoGuarantee
from classifier.tuning.report import SCORE_BINS, Quality, TuningReport
from classifier.tuning.targets import MaxDrop
from serving.tuning import words

Axes: TypeAlias = Any  # matplotlib's own types leave most of it unknown
Figure: TypeAlias = Any

# The page puts its light or dark colours in the place of these.
INK, MUTED, LINES = "#1d232b", "#5b6672", "#d9dee4"
DEEP, FAST, CHOSEN, BAD = "#2563c9", "#b06a00", "#0b7f5a", "#c2413a"
VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    LINES: "--lines",
    DEEP: "--deep",
    FAST: "--fast",
    CHOSEN: "--chosen",
    BAD: "--bad",
}
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: it can be searched, read out and printed
    "text.color": INK,
    "axes.edgecolor": LINES,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINES,
    "grid.linewidth": 0.8,
    "xtick.color": LINES,
    "ytick.color": LINES,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 2,
}
_PNG_DPI: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One drawing; `says` is what it shows, for those who cannot see it."""

    name: str
    title: str
    says: str
    svg: str
    png: bytes


def plots(report: TuningReport) -> Iterator[Plot]:
    """Every plot for which there is something to draw."""
    yield _plot("curve", "Cost and quality", _curve_says(report), _curve, report, tall=3.4)
    quality = report.quality
    if quality is not None:
        yield _plot("tasks", "Threshold per task", _TASKS_SAY, _tasks, report)
        yield _plot("reliability", "Are the scores right?", _RELIABILITY_SAYS, _reliability, report)
        yield _plot("scores", "Where the scores lie", _SCORES_SAY, _scores, report)
    if report.confusion is not None:
        says = f"{_CONFUSION_SAYS} {words.mistakes(report.confusion)}"
        tall = 1.6 + 0.46 * len(report.confusion.named)
        yield _plot("confusion", "Tasks taken for others", says, _confusion, report, tall=tall)
    if report.drift is not None and report.drift.tasks_index is not None:
        yield _plot("drift", "Drift against the training data", _DRIFT_SAYS, _drift, report)
    if report.drift is not None and report.drift.distance is not None:
        says = f"{_NEW_SAYS} Here {words.prompts(report.drift.distance)}"
        yield _plot("distance", "How new the prompts are", says, _distance, report)


_TASKS_SAY: Final = (
    "For each task the lowest threshold that can be promised by itself, beside today's, with the "
    "number of its samples. The error is shared out among the tasks, so these are more careful."
)
_RELIABILITY_SAYS: Final = (
    "How often the fast answer was good enough, over the chance that the classifier gave. Right "
    "scores lie on the diagonal; the size of a point is its share of requests."
)
_SCORES_SAY: Final = "Scores of requests whose fast answer was good enough, and of those where not."
_CONFUSION_SAYS: Final = (
    "Rows: the task as the client or the data named it. Columns: the task that the classifier saw, with "
    "the number of requests; where a mistake changes something, also the dollars that it costs and the "
    "points of quality."
)
_DRIFT_SAYS: Final = (
    "Scores and tasks of these requests against those of the classifier's training data."
)
_NEW_SAYS: Final = (
    "How far prompts lie from the nearest prompts that the classifier was trained on, by their "
    "embeddings: these requests, and training prompts that were held back."
)


def _curve_says(report: TuningReport) -> str:
    said = (
        "Quality over the share of requests that the deep tier answers, for every threshold. "
        f"Now: {_where(report.now.deep_share, report.now.quality)}"
    )
    if report.then is not None:
        said += f"; recommended: {_where(report.then.deep_share, report.then.quality)}"
    return f"{said}."


def _where(deep_share: float, quality: float | None) -> str:
    known = "" if quality is None else f", quality {quality:.3f}"
    return f"{words.share(deep_share)} deep{known}"


def _plot(
    name: str,
    title: str,
    says: str,
    draw: Callable[[Figure, TuningReport], None],
    report: TuningReport,
    *,
    tall: float = 3.1,
) -> Plot:
    matplotlib: Any = import_module("matplotlib")  # a second that only plots are worth
    new_figure: Callable[..., Figure] = import_module("matplotlib.figure").Figure
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = new_figure(figsize=(5.6, tall), layout="constrained")
        draw(figure, report)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.savefig(png, format="png", dpi=_PNG_DPI, facecolor="white")
    return Plot(name=name, title=title, says=says, svg=svg.getvalue(), png=png.getvalue())


def _curve(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    points = report.sweep.points
    shares = [100 * point.deep_share for point in points]
    axes.set(xlabel="requests that go deep (%)", xlim=(-3, 103))
    if report.quality is None:
        axes.plot(shares, [1000 * (point.usd or 0) for point in points], color=DEEP)
        axes.set(ylabel="dollars per 1,000 requests")
        _mark_money(axes, report)
        return
    heights = [point.quality for point in points]
    axes.plot(shares, heights, color=DEEP)
    axes.set(ylabel="quality")
    best, target = heights[0], report.target
    assert best is not None
    if isinstance(target, MaxDrop):
        axes.axhspan(best - target.drop, best, color=CHOSEN, alpha=0.12, linewidth=0)
        text = f"at most {words.points(target.drop)} below the deep tier alone"
        axes.annotate(
            text,
            (100, best - target.drop),  # below the band: the curve is above it there
            xytext=(0, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color=CHOSEN,
            fontsize=9,
        )
    _mark(axes, report.now.deep_share, report.now.quality, "now", FAST)
    if report.then is not None:
        _mark(axes, report.then.deep_share, report.then.quality, "recommended", CHOSEN)
    axes.margins(y=0.14)


def _mark_money(axes: Axes, report: TuningReport) -> None:
    for point, text, colour in ((report.now, "now", FAST), (report.then, "recommended", CHOSEN)):
        if point is not None and point.usd is not None:
            _mark(axes, point.deep_share, 1000 * point.usd, text, colour)


def _mark(axes: Axes, deep_share: float, height: float | None, text: str, colour: str) -> None:
    axes.plot([100 * deep_share], [height], "o", color=colour, markersize=9)
    left = deep_share > 0.75  # else the word would leave the plot
    axes.annotate(
        text,
        (100 * deep_share, height),
        xytext=(-9 if left else 9, -12),
        textcoords="offset points",
        ha="right" if left else "left",
        color=colour,
        fontweight="bold",
    )


def _tasks(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    assert report.quality is not None
    found = report.quality.by_task
    rows = [*sorted(found.tasks.items(), reverse=True), ("all others", found.general)]
    for height, (task, proof) in enumerate(rows):
        today = report.current.of(task)
        axes.plot([today], [height], "o", color=FAST, markersize=8, fillstyle="none")
        _promised(axes, height, proof)
    axes.plot([], [], "o", color=FAST, fillstyle="none", label="today")
    axes.plot([], [], "o", color=CHOSEN, label="lowest that can be promised")
    labels = [f"{task} ({proof.samples:,})" for task, proof in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set(xlabel="threshold", xlim=(-0.02, 1.04), ylim=(-0.6, len(rows) - 0.4))
    figure.legend(loc="outside upper right", ncols=2, fontsize=9)


def _promised(axes: Axes, height: int, proof: Guarantee | NoGuarantee) -> None:
    if isinstance(proof, Guarantee):
        axes.plot([proof.threshold], [height], "o", color=CHOSEN, markersize=8)
        return
    more = f"about {proof.more:,} more samples needed" if proof.more else "no threshold will do"
    axes.text(0.0, height, more, color=MUTED, va="center", fontsize=9)


def _reliability(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    assert report.quality is not None
    said, seen, weight = np.array(report.quality.bins).T
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    axes.scatter(said, seen, s=20 + 600 * weight, color=DEEP, alpha=0.75, linewidths=0)
    axes.set(
        xlabel="P(fast is good enough), as said",
        ylabel="as seen",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
    )


def _scores(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    quality = report.quality
    assert quality is not None
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    for counts, below, colour, label in _layers(quality):
        axes.bar(
            edges[:-1],
            counts,
            width=np.diff(edges),
            bottom=below,
            align="edge",
            color=colour,
            alpha=0.8,
            label=label,
        )
    axes.axvline(report.current.general, color=FAST, linestyle="--", label="threshold now")
    if report.choice.thresholds is not None:
        axes.axvline(report.choice.thresholds.general, color=CHOSEN, label="recommended")
    axes.set(xlabel="P(fast is good enough)", ylabel="requests", xlim=(0, 1))
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside upper right", ncols=4, fontsize=9)


def _layers(quality: Quality) -> tuple[tuple[Any, Any, str, str], ...]:
    nothing = np.zeros_like(quality.enough)
    return (
        (quality.enough, nothing, DEEP, "good enough"),
        (quality.too_little, quality.enough, BAD, "not"),
    )


def _confusion(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    confusion = report.confusion
    assert confusion is not None
    totals = confusion.counts.sum(axis=1, keepdims=True)
    shares = confusion.counts / totals
    rows, columns = range(len(confusion.named)), range(len(confusion.said))
    costs = {(mistake.named, mistake.said): _costs(mistake) for mistake in confusion.mistakes}
    for row in rows:
        for column in columns:
            cost = costs.get((confusion.named[row], confusion.said[column]), "")
            _cell(axes, confusion, (row, column), shares[row, column], cost)
    axes.set_xticks(columns, confusion.said, rotation=30, ha="right")
    axes.set_yticks(rows, confusion.named)
    axes.set(xlabel="taken for", ylabel="named")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _costs(mistake: Mistake) -> str:
    usd = words.more_dollars(mistake.usd) if mistake.usd else ""
    lost = f"{-100 * mistake.lost:+.2g} pt" if mistake.lost else ""
    return "\n".join(filter(None, (usd, lost)))


def _cell(axes: Axes, confusion: Confusion, place: tuple[int, int], part: float, cost: str) -> None:
    row, column = place
    count = int(confusion.counts[row, column])
    if not count:
        return
    colour = CHOSEN if confusion.named[row] == confusion.said[column] else BAD
    left, right, top, bottom = column - 0.48, column + 0.48, row - 0.46, row + 0.46
    shade = 0.08 + 0.45 * part
    axes.fill(
        [left, right, right, left],
        [top, top, bottom, bottom],
        color=colour,
        alpha=shade,
        linewidth=0,
    )
    axes.text(column, row - 0.2 * bool(cost), f"{count:,}", ha="center", va="center", fontsize=9)
    axes.text(column, row + 0.2, cost, ha="center", va="center", fontsize=6, color=MUTED)


def _drift(figure: Figure, report: TuningReport) -> None:
    drift = report.drift
    assert drift is not None
    panels: list[Axes] = [
        *figure.subplots(1, 1 + (drift.scores_index is not None), squeeze=False)[0]
    ]
    right = panels[-1]
    panels[0].set(ylabel="requests (%)")
    if drift.scores_index is not None:
        tenths = np.arange(len(drift.p_fast))
        _pairs(panels[0], tenths, drift.baseline.p_fast, drift.p_fast)
        panels[0].set_xticks(tenths[::2], [f"{tenth / 10:.1f}" for tenth in tenths[::2]])
        panels[0].set(xlabel=f"P(fast is good enough), index {drift.scores_index:.2f}")
    names = sorted({*drift.baseline.tasks, *drift.tasks})
    before = np.array([drift.baseline.tasks.get(name, 0.0) for name in names])
    now = np.array([drift.tasks.get(name, 0.0) for name in names])
    _pairs(right, np.arange(len(names)), before, now)
    right.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    right.set(xlabel=f"task, index {drift.tasks_index:.2f}")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, fontsize=9)


def _distance(figure: Figure, report: TuningReport) -> None:
    axes: Axes = figure.subplots()
    drift = report.drift
    assert drift is not None
    assert drift.distance is not None
    known, now = drift.distance.known, drift.distance.now
    edges = np.linspace(0.0, max(1.0, float(now.max()), float(known.max())), SCORE_BINS + 1)
    for values, colour, alpha, label in (
        (known, MUTED, 0.55, "training data"),
        (now, DEEP, 0.6, "these requests"),
    ):
        share = np.full(values.size, 100 / values.size)
        axes.hist(values, bins=edges, weights=share, color=colour, alpha=alpha, label=label)
        axes.axvline(float(values.mean()), color=colour, linestyle="--", linewidth=1.5)
    axes.set(xlabel="distance to the nearest training prompts (dashed: mean)", ylabel="prompts (%)")
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside upper right", ncols=2, fontsize=9)


def _pairs(axes: Axes, places: Any, before: Any, now: Any) -> None:
    axes.bar(places - 0.2, 100 * before, width=0.38, color=MUTED, alpha=0.55, label="training data")
    axes.bar(places + 0.2, 100 * now, width=0.38, color=DEEP, alpha=0.85, label="these requests")
    axes.grid(visible=False, axis="x")
