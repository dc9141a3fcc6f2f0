"""What a person sees while the engines start."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from serving.engines.engine import Progress, Role

_WORDS = {
    "weights": "fetching the weights",
    "starting": "starting",
    "ready": "[green]ready[/]",
    "restarting": "[yellow]restarting[/]",
    "failed": "[red]failed[/]",
}


class EngineProgress:
    """One line per engine while it starts; afterwards only what goes wrong is printed."""

    def __init__(self, console: Console) -> None:
        """Show on this console."""
        self._console = console
        self._lines: dict[Role, TaskID] = {}
        self._starting = True
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}[/]"),
            console=console,
        )

    def __enter__(self) -> EngineProgress:
        """Begin to show."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""
        self._bars.stop()

    def tell(self, progress: Progress) -> None:
        """Take in one step of one engine."""
        text = f"{progress.role} {progress.model}: {_WORDS[progress.step]}"
        if not self._starting:
            if progress.step != "starting":
                self._console.print(f"{text} {progress.detail}".rstrip())
            return
        if progress.role not in self._lines:
            self._lines[progress.role] = self._bars.add_task("", total=None, detail="")
        line = self._lines[progress.role]
        done = 1.0 if progress.step == "ready" else progress.fraction
        self._bars.update(
            line,
            description=text,
            detail=progress.detail[:80],
            total=None if done is None else 1.0,
            completed=done or 0.0,
        )

    def done(self) -> None:
        """All engines are ready."""
        self._starting = False
        self._bars.stop()
