"""What requests teach while they run, written to a real store by a clock of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import OutcomeNotFound, Unsupported
from router.learning.feedback import Said
from router.learning.learning import Learning
from router.learning.samples import SampleRow, read_samples
from router.observe import Observer
from router.outcome import Outcome
from router.outcomes import SqliteOutcomes
from tests.fakes.telemetry import RecordedTelemetry
from tests.router.ledger_world import FAST, ask, leg, outcome

pytestmark = pytest.mark.anyio


@dataclass
class World:
    """A store, and a learner around it."""

    path: Path
    now: float = 0.0
    store: SqliteOutcomes = field(init=False)
    recorded: RecordedTelemetry = field(default_factory=RecordedTelemetry)
    learning: Learning = field(init=False)

    def __post_init__(self) -> None:
        self.store = SqliteOutcomes(self.path)
        self.learning = Learning(
            self.store,
            self.recorded.observer,
            now=lambda: datetime.fromtimestamp(self.now, UTC),
            clock=lambda: self.now,
        )

    def answer(self, name: str, *, finish: str = "stop") -> Outcome:
        """One request for the same thing, answered by the fast tier."""
        self.now += 30.0
        asked = outcome(id=name, created=self.now, legs=[leg(FAST, role="draft")], finish=finish)
        lesson = self.learning.begun(ask(), asked, judged=True)
        self.store.record(asked)
        self.learning.ended(lesson)
        return asked

    def samples(self) -> list[SampleRow]:
        """Everything written so far."""
        self.store.close()
        return read_samples(self.path, 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty one."""
    made = World(tmp_path / "headstart.db")
    yield made
    made.store.close()
    made.recorded.telemetry.shutdown()


async def test_a_question_asked_again_is_weak_feedback_on_the_first_answer(world: World) -> None:
    world.answer("hs-1")
    world.answer("hs-2")
    first, second = world.samples()
    assert (first.fast_quality, first.weight, first.rating) == (0.0, 0.3, None)
    assert second.fast_quality is None
    (point,) = world.recorded.points("headstart.feedback")
    assert (point.attributes, point.value) == ({"headstart.feedback.kind": "regenerated"}, 1)


@pytest.mark.parametrize("finish", ["error", "left"])
async def test_a_retry_is_no_signal(world: World, finish: str) -> None:
    world.answer("hs-1", finish=finish)
    world.answer("hs-2")
    assert [row.fast_quality for row in world.samples()] == [None, None]


async def test_a_word_outweighs_what_was_inferred(world: World) -> None:
    world.answer("hs-1")
    said = Said(outcome_id="hs-1", kind="thumbs", value=1.0)
    row = await world.learning.take(said, "laptop")
    assert row.created == world.now
    world.answer("hs-2")
    assert [row.fast_quality for row in world.samples()] == [1.0, None]


async def test_nothing_is_remembered_of_a_request_that_is_over(world: World) -> None:
    running = outcome(id="hs-1")
    lesson = world.learning.begun(ask(), running, judged=True)
    await world.learning.take(Said(outcome_id="hs-1", kind="score", value=0.5), "laptop")
    world.learning.ended(lesson)  # never recorded: the store had no room
    with pytest.raises(OutcomeNotFound):
        await world.learning.take(Said(outcome_id="hs-1", kind="score", value=0.5), "laptop")


async def test_without_a_store_feedback_is_refused() -> None:
    learning = Learning(observer=Observer())
    learning.ended(learning.begun(ask(), outcome(), judged=True))
    with pytest.raises(Unsupported, match="keeps no outcomes"):
        await learning.take(Said(outcome_id="hs-1", kind="thumbs", value=1.0), "laptop")
