"""Asks every question in every way, one at a time, within the budget."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router.compare import Comparison, Sample, Way, compare
from serving.cli.bench.asking import Asking
from serving.cli.bench.money import Purse
from serving.cli.bench.questions import Question

_PATIENCE = 3  # questions: when none of them can be compared, the others could not either


class Measuring:
    """The samples so far. `stopped` says why not all were taken."""

    def __init__(self, questions: Sequence[Question], ways: Sequence[Way], purse: Purse) -> None:
        """Nothing is asked yet."""
        self.purse = purse
        self.samples: list[Sample] = []
        self.stopped = ""
        self._questions = questions
        self._ways = ways

    @property
    def comparison(self) -> Comparison:
        """What can be said of the samples so far."""
        return compare(self.samples)

    async def run(self, asking: Asking, console: Console) -> None:
        """Ask; samples are kept as they come, so that an interrupted run has some."""
        total = len(self._questions) * len(self._ways)
        console.print(
            f"{total} requests, one at a time. Ctrl-C ends early and shows what there is."
        )
        with _progress(console) as bar:
            task = bar.add_task("", total=total, prompt="")
            for number, question in enumerate(self._questions):
                # In changing order: whoever comes first warms the caches for the others.
                turn = number % len(self._ways)
                for way in (*self._ways[turn:], *self._ways[:turn]):
                    if not self.purse.affords(question.prompt):
                        self.stopped = "the next request could have exceeded the budget"
                        return
                    bar.update(task, description=way, prompt=question.prompt[:48])
                    self._keep(await asking.ask(question, way, str(number)), question)
                    bar.advance(task)
                if number + 1 == _PATIENCE and not self.comparison.rows:
                    self.stopped = f"none of the first {_PATIENCE} prompts could be compared"
                    return

    def _keep(self, sample: Sample, question: Question) -> None:
        self.purse.pay(question.prompt, sample)
        self.samples.append(sample)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[prompt]}[/]", markup=True),
        console=console,
        transient=True,
    )
