"""The training report: what the shipped head was trained on, and how good it is on unseen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from classifier.embedding import LAYERS, WHOLE
from scripts.training.evaluate import PairFigures
from scripts.training.quality import RIGHT, TOLERANCE
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
The head has two parts. A small net gives a logit per task. What says whether the fast tier is enough
(`classifier/quality.py`) places the prompt softly among the kinds of question of the training data, adds each
kind's mean and its slope, which is pulled to the one that all kinds share, and calibrates the result, by the mean of
isotonic regression and Platt's sigmoid, on what was said of unseen folds. Both read the embedding by the lower {layers}
layers of MiniLM-L6-v2 of at most {pieces} word pieces and the form features of `classifier/features.py`; the second part
also reads the hashed words and pairs of words of the whole text (`classifier/bag.py`).

**What `p_fast` means.** The chance that the fast tier is good enough: that its answer scores at most {tolerance} (of 1)
below the deep tier's. The pair is Qwen2.5-7B-Instruct and Llama-3.1-Nemotron-51B-Instruct. It falls with the
predicted gain of the deep tier, so the policy sends the prompts to the deep tier first that gain most. Where both
would be wrong the fast tier is "good enough": asking the deep tier would not help. The signal `p_right` is the chance that
the fast tier's answer is right by itself (scores at least {right}); the prompt alone says little about that inside one
kind of question.

Another fast model, the 135M demo model above all, is not this model: for it the numbers only order prompts. On kinds of
prompt that no benchmark covers (chat, translation, rewriting, drafts) they rest on the authors' guesses in
`own_prompts.jsonl`, not on measurements. Qwen2.5-7B scores 0.16 on these MMLU rows, far below its known level (their
choices are not in the prompt), so exam questions look harder to the head than they are.

## Data

| file | rows | SHA-256 starts |
|---|---|---|
"""


def render(figures: Figures) -> str:
    """The report as Markdown."""
    lines = [
        _INTRO.format(
            version=figures.version,
            released=figures.released,
            tolerance=TOLERANCE,
            right=RIGHT,
            layers=LAYERS,
            pieces=sum(WHOLE),
        ).rstrip("\n")
    ]
    lines += [f"| {name} | {rows:,} | {digest} |" for name, (rows, digest) in figures.data.items()]
    lines += _pairs(figures)
    lines += _enough(figures)
    lines += _within(figures)
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
            ("`p_fast` is lowest (the policy's order)", f.by_p_fast),
            ("`p_right` is lowest", f.by_p_right),
            ("its benchmark gains most (only the name known)", f.by_name),
        ):
            cells = " | ".join(f"{value:.3f}" for value in values.values())
            head.append(f"{start} {how} | {cells} |")
            start = "| | | | |"
    return [
        *head,
        "",
        "These figures reward recognising the benchmark, as the third line of each pair shows; it knows each benchmark's mean",
        "gain over all rows. The routellm head has the same recipe, trained on its own rows; it is for this table and is not shipped.",
        "Intervals, and RouteLLM's published figures: `python -m scripts.bench.routing`.",
    ]


def _enough(figures: Figures) -> list[str]:
    dev, every = figures.qwen_dev, figures.qwen_all
    return [
        "",
        '## "The fast tier is good enough", on qwen7b',
        "",
        "| | dev | all |",
        "|---|---|---|",
        f"| calibration error of `p_fast` (ECE, ten bins) | {dev.ece:.3f} | {every.ece:.3f} |",
        f"| the same if `p_fast` were perfect (chance alone) | {dev.ece_floor:.3f} | {every.ece_floor:.3f} |",
        f"| calibration error of `p_right` | {dev.right_ece:.3f} | {every.right_ece:.3f} |",
        "",
        "Reliability of `p_fast` (all rows):",
        "",
        "| said | seen | share of rows |",
        "|---|---|---|",
        *(f"| {said:.2f} | {seen:.2f} | {share:.2f} |" for said, seen, share in every.bins),
        "",
        f"What a threshold does to this mix of benchmarks (fast alone {every.fast:.3f}, deep alone {every.deep:.3f}):",
        "",
        "| threshold | goes deep | quality |",
        "|---|---|---|",
        *(f"| {at:.2f} | {share:.2f} | {quality:.3f} |" for at, share, quality in every.routes),
    ]


def _within(figures: Figures) -> list[str]:
    dev, every, unseen = figures.qwen_dev, figures.qwen_all, figures.benchmarks
    mean = sum(unseen.values()) / len(unseen)
    return [
        "",
        '## "The fast tier fails", by `p_right` on qwen7b',
        "",
        "| AUROC | dev | all |",
        "|---|---|---|",
        f"| pooled | {dev.right_auroc:.3f} | {every.right_auroc:.3f} |",
        f"| inside one benchmark, mean over benchmarks | {dev.within:.3f} | {every.within:.3f} |",
        "",
        f"By benchmark (all rows): {_listed(every.per_benchmark)}.",
        "",
        f"On a benchmark it never saw (one left out at a time), mean {mean:.3f}: {_listed(unseen)}.",
        "",
        "What is left inside one kind of question is little. Knowing how the eight other models did on the very question gives a",
        "mean of 0.80; the prompt gives most where its length and content show the work to be done (mathematics, code) and",
        "nothing where a choice is asked whose options are not in the prompt. The draft's own confidence knows more.",
    ]


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in sorted(values.items()))


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
