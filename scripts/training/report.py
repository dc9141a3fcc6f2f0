"""The training report: what the shipped head was trained on, and how good it is on unseen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.training.evaluate import PairFigures
from scripts.training.tasks import TaskFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that the report shows."""

    version: str
    released: str
    data: Mapping[str, tuple[int, str]]  # file -> rows, start of its SHA-256
    qwen_dev: PairFigures
    qwen_all: PairFigures
    routellm_dev: PairFigures
    routellm_all: PairFigures
    benchmarks: Mapping[str, float]
    tasks_pooled: TaskFigures
    tasks_unseen: TaskFigures
    tasks_own: TaskFigures
    task_scale: float


_INTRO = """# Training report of `{version}` ({released})

Made by `./scripts/train`; every figure is on rows that the model in question was not trained on.
The head has two parts on the same inputs (MiniLM-L6-v2's embedding of at most 62 word pieces, and the
form features of `classifier/features.py`): a small net with a logit per task, and another for the
fast tier's quality and the deep tier's gain, whose first output is calibrated by isotonic regression on
out-of-fold outputs.

**What `p_fast` means.** The chance that a model of the class of Qwen2.5-7B-Instruct scores at least 0.5 on
such a prompt. Another fast model, the 135M demo model above all, is not this model: for it the number only
orders prompts. On kinds of prompt that no benchmark covers (chat, translation, rewriting, drafts) it rests on the
authors' guesses in `own_prompts.jsonl`, not on measurements. Qwen2.5-7B scores 0.16 on these MMLU rows, far below its
known level (their choices are not in the prompt), so exam questions look harder to the head than they are.

## Data

| file | rows | SHA-256 starts |
|---|---|---|
"""


def render(figures: Figures) -> str:
    """The report as Markdown."""
    lines = [_INTRO.format(version=figures.version, released=figures.released).rstrip("\n")]
    lines += [f"| {name} | {rows:,} | {digest} |" for name, (rows, digest) in figures.data.items()]
    lines += _pairs(figures)
    lines += _within(figures)
    lines += _reliability(figures.qwen_all)
    lines += _tasks(figures)
    return "\n".join(lines) + "\n"


def _pairs(figures: Figures) -> list[str]:
    head = [
        "",
        "Folds are by `sha256(prompt)`; *dev* is fold 0, predicted by a model trained on the others; *all* is every",
        "row, each predicted by the model that did not see its fold.",
        "",
        "## Cost against quality (RouteLLM's measures)",
        "",
        "| pair | rows | fast | deep | deep first where | APGR | CPT50 | CPT80 | share within 1 pt |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    named = {
        "qwen7b, dev": figures.qwen_dev,
        "qwen7b, all": figures.qwen_all,
        "routellm, dev": figures.routellm_dev,
        "routellm, all": figures.routellm_all,
    }
    for pair, f in named.items():
        start = f"| {pair} | {f.rows:,} | {f.fast:.3f} | {f.deep:.3f} |"
        for how, values in (
            ("the gain is largest (`deep_gain`)", f.by_gain),
            ("`p_fast` is lowest", f.by_fail),
            ("its benchmark gains most (only the name known)", f.by_name),
        ):
            cells = " | ".join(f"{value:.3f}" for value in values.values())
            head.append(f"{start} {how} | {cells} |")
            start = "| | | | |"
    return [
        *head,
        "",
        "These figures reward recognising the benchmark, as the third line of each pair shows. The routellm head has",
        "the same recipe, trained on its own rows; it is for this table and is not shipped.",
    ]


def _within(figures: Figures) -> list[str]:
    dev, every = figures.qwen_dev, figures.qwen_all
    unseen = figures.benchmarks
    mean = sum(unseen.values()) / len(unseen)
    return [
        "",
        '## "The fast tier fails", on qwen7b',
        "",
        "| | dev | all |",
        "|---|---|---|",
        f"| AUROC, pooled | {dev.auroc:.3f} | {every.auroc:.3f} |",
        f"| AUROC inside one benchmark, mean | {dev.within:.3f} | {every.within:.3f} |",
        f"| calibration error (ECE, ten bins) | {dev.ece:.3f} | {every.ece:.3f} |",
        f"| the same if `p_fast` were perfect (chance alone) | {dev.ece_floor:.3f} | {every.ece_floor:.3f} |",
        f'| AUROC of "the deep tier does better", by `deep_gain` | {dev.better_auroc:.3f} | {every.better_auroc:.3f} |',
        f"| ECE of `p_deep_better` (its two numbers are fitted on all rows) | {dev.better_ece:.3f} | {every.better_ece:.3f} |",
        "",
        f"On a benchmark it never saw (one left out at a time), mean AUROC {mean:.3f}: "
        + ", ".join(f"{name} {value:.2f}" for name, value in sorted(unseen.items()))
        + ".",
        "",
        "Inside one kind of question the prompt says little about whether a 7B model will fail: next to chance. Thresholds",
        "tuned on these figures do not carry over to traffic of one kind; tune on that traffic.",
    ]


def _reliability(figures: PairFigures) -> list[str]:
    return [
        "",
        "Reliability of `p_fast` (all rows):",
        "",
        "| said | seen | share of rows |",
        "|---|---|---|",
        *(f"| {said:.2f} | {seen:.2f} | {share:.2f} |" for said, seen, share in figures.bins),
    ]


def _tasks(figures: Figures) -> list[str]:
    pooled, unseen, own = figures.tasks_pooled, figures.tasks_unseen, figures.tasks_own
    names = sorted({*pooled.f1, *own.f1})
    sources = sorted(unseen.per_source.items(), key=lambda item: item[1])
    mean = sum(unseen.per_source.values()) / len(unseen.per_source)
    return [
        "",
        "## Tasks",
        "",
        "| | same sources (5 folds) | a source never seen | our own prompts (5 folds) |",
        "|---|---|---|---|",
        f"| accuracy | {pooled.accuracy:.3f} | {unseen.accuracy:.3f} (mean of sources {mean:.3f}) | {own.accuracy:.3f} |",
        *(
            f"| F1 {name} | {_cell(pooled.f1, name)} | {_cell(unseen.f1, name)} | {_cell(own.f1, name)} |"
            for name in names
        ),
        "",
        "A source is a data set with all its templates. Accuracy on each when it was left out: "
        + ", ".join(f"{name} {value:.2f}" for name, value in sources)
        + ".",
        "",
        "What was said on a source never seen, by what the label says:",
        "",
        *_confusions(unseen),
        "",
        "Two caveats. The authors had read examples of these sources when they wrote `own_prompts.jsonl`, and had seen which of their own",
        "prompts were mistaken when they last changed `cues.py`: on truly foreign prompts expect less than these two columns say.",
        "Several of the low ones are a matter of the label: wiki_bio counts as creative but asks what a text contains, part of mmlu",
        "and sciq is reading a passage but counts as knowledge, duorc counts as extraction also where a title is asked for.",
        f"The softmax's logits are multiplied by {figures.task_scale:.2f}, which has the least log-loss on unseen sources.",
    ]


def _confusions(figures: TaskFigures) -> list[str]:
    said = sorted({name for row in figures.confused.values() for name in row})
    return [
        "| label | " + " | ".join(said) + " |",
        "|---" * (len(said) + 1) + "|",
        *(
            f"| {label} | " + " | ".join(str(row.get(name, 0)) for name in said) + " |"
            for label, row in figures.confused.items()
        ),
    ]


def _cell(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.2f}" if name in values else "–"
