"""Is the judgement any good: `python -m scripts.bench.routing --data ../shared/routing`.

Prints, with its targets, how well the embedding classifier tells whether the fast tier is enough, how well it
tells tasks on sources never seen, what the draft's own words add, whether tuning keeps its promise, and what a
decision takes in the whole server under load. The shipped head has seen all rows of these files,
so its recipe is fitted again here, on the same folds as in training: *dev* is fold 0, *all* is every row, each
judged by a model that has not seen its fold. A further section is one more function in `SECTIONS`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from scripts.bench import (
    routing_draft,
    routing_guarantee,
    routing_quality,
    routing_tasks,
    routing_time,
)

SECTIONS: Mapping[str, Callable[[argparse.Namespace], Iterable[Table]]] = {
    "quality": routing_quality.tables,
    "tasks": routing_tasks.tables,
    "draft": routing_draft.tables,
    "guarantee": routing_guarantee.tables,
    "time": routing_time.tables,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="routing", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with *_train.jsonl")
    parser.add_argument("--cache", type=Path, help="keep embeddings in this .npz between runs")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="some sections")
    parser.add_argument("--tables", type=Path, default=routing_draft.TABLES, help="of drafts")
    parser.add_argument("--resamplings", type=int, default=1000, help="logs to keep a promise on")
    parser.add_argument("--requests", type=int, default=200, help="decisions to time")
    parser.add_argument("--streams", type=int, default=8, help="answers that stream meanwhile")
    args = parser.parse_args()
    console = Console(width=120)
    with threadpool_limits(1):
        for name in args.only or SECTIONS:
            for table in SECTIONS[name](args):
                console.print(table)


if __name__ == "__main__":
    main()
