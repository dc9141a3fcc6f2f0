"""RouteLLM's own figures beside ours, on its own files: part of the section `quality` of `scripts.bench.routing`.

Theirs: Ong et al., *RouteLLM: Learning to Route LLMs with Preference Data*, arXiv 2406.18665v4 (ICLR 2025),
table 2 (5-shot MMLU) and table 3 (8-shot GSM8K), the strong model GPT-4 (1106-preview), the weak one
Mixtral-8x7B, as in these files. Read in a copy of arXiv's HTML; the best line of each table also in two
accounts of it by others.

What the comparison is worth. They learned from 65,000 votes of Chatbot Arena ("arena"), and for the better
half of the lines from about 1,500 validation questions of MMLU too ("gold") or from 120,000 pairs of answers
that GPT-4 compared ("judge"). With arena alone both benchmarks are out of their domain, and the paper says so
(section 5.1). Ours in domain saw other rows of the same file: thousands where their best had 1,500, or none.
Ours out of domain saw another pair of models, and neither this benchmark nor its translations. Their rows are
those of the whole benchmark that are not in their training data, ours are those of the file; their APGR is the
mean over ten shares, ours the area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.table import Table

from classifier.bag import Bag
from classifier.head import Floats
from classifier.measures import Curve, curve
from classifier.quality import Doubles
from scripts.training.evaluate import Judged, interval
from scripts.training.quality import Material, fit_kinds

RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Published:
    """One line of their tables: shares of calls to the strong model, and the area."""

    router: str
    learned_from: str
    cpt50: float
    cpt80: float
    apgr: float


PUBLISHED: Mapping[str, Sequence[Published]] = {
    "mmlu": (
        Published("random", "", 0.5007, 0.7993, 0.500),
        Published("BERT", "arena", 0.4943, 0.7780, 0.502),
        Published("causal LLM", "arena", 0.4888, 0.7793, 0.499),
        Published("matrix factorization", "arena", 0.4500, 0.7686, 0.524),
        Published("SW ranking", "arena", 0.5582, 0.8025, 0.473),
        Published("BERT", "arena + gold", 0.4130, 0.7220, 0.572),
        Published("causal LLM", "arena + gold", 0.3549, 0.7031, 0.600),
        Published("matrix factorization", "arena + gold", 0.3546, 0.7140, 0.597),
        Published("SW ranking", "arena + gold", 0.3540, 0.7155, 0.603),
    ),
    "gsm8k": (
        Published("random", "", 0.5000, 0.8008, 0.497),
        Published("BERT", "arena", 0.5878, 0.8384, 0.438),
        Published("causal LLM", "arena", 0.5609, 0.8356, 0.461),
        Published("matrix factorization", "arena", 0.5359, 0.8524, 0.4746),
        Published("SW ranking", "arena", 0.5443, 0.8211, 0.4753),
        Published("BERT", "arena + judge", 0.4476, 0.7909, 0.531),
        Published("causal LLM", "arena + judge", 0.3364, 0.6326, 0.622),
        Published("matrix factorization", "arena + judge", 0.3882, 0.7262, 0.565),
        Published("SW ranking", "arena + judge", 0.4121, 0.7220, 0.568),
    ),
}
# What another pair's data must not hold to be out of the domain: the benchmark, and its translations.
KIN: Mapping[str, Sequence[str]] = {"mmlu": ("mmlu",), "gsm8k": ("gsm8k", "agentverse-mgsm")}

FIGURES: Sequence[Callable[[Judged], float]] = (
    lambda judged: _line(judged).cpt(0.5),
    lambda judged: _line(judged).cpt(0.8),
    lambda judged: _line(judged).apgr,
)


def tables(compared: Judged, theirs: Material, other_pair: Material) -> Iterator[Table]:
    """Each of their files: their lines, then ours. `theirs` has the compared rows."""
    for name, lines in PUBLISHED.items():
        inside = np.char.startswith(compared.benchmarks, name)
        in_domain = compared.only(inside)
        gains = _unseen_gains(other_pair, KIN[name], theirs.x[inside], theirs.bags_of(inside))
        yield _table(name, lines, in_domain, replace(in_domain, p_fast=-gains))


def _unseen_gains(
    material: Material, kin: Sequence[str], x: Floats, bags: Sequence[Bag]
) -> Doubles:
    """What the strong model adds, by a model of the other pair that never saw this benchmark."""
    model = fit_kinds(material, ~np.isin(material.kinds, kin))
    return model(x, bags)[:, 1]


def _line(judged: Judged) -> Curve:
    return curve(-judged.p_fast, judged.fast, judged.deep)


def _table(
    name: str, lines: Sequence[Published], in_domain: Judged, out_of_domain: Judged
) -> Table:
    title = f"{name.upper()}, Mixtral-8x7B against GPT-4 ({in_domain.fast.size:,} rows)"
    table = Table("router", "learned from", "CPT50", "CPT80", "APGR", title=title)
    for line in lines:
        shares = f"{line.cpt50:.2%}", f"{line.cpt80:.2%}"
        table.add_row(line.router, line.learned_from, *shares, f"{line.apgr:.3f}")
    table.add_section()
    kin = " and ".join(KIN[name])
    table.add_row("ours", f"another pair, without {kin}", *_cells(out_of_domain))
    table.add_row("ours", "other rows of this file", *_cells(in_domain))
    table.caption = (
        "Theirs: arXiv 2406.18665v4, tables 2 and 3. They saw no outcome of these questions."
    )
    return table


def _cells(judged: Judged) -> list[str]:
    cells: list[str] = []
    for figure, form in zip(FIGURES, ("{:.1%}", "{:.1%}", "{:.3f}"), strict=True):
        low, high = interval(judged, figure, resamples=RESAMPLES)
        cells.append(f"{form.format(figure(judged))} ({form.format(low)} – {form.format(high)})")
    return cells
