"""Questions that are asked again or rewritten; and the many repetitions that say nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.chat import ChatRequest, Message, ResponseFormat, Role, Text, ToolResult
from router.learning.signals import Signal, Signals

Turn = tuple[Role, str]
RHINE: Turn = ("user", "How long is the Rhine?")
ANSWER: Turn = ("assistant", "It is 1,233 km long.")
MORE: Turn = ("user", "And the Elbe?")
OTHER: Turn = ("user", "And the Danube?")


def ask(*turns: Turn, **more: object) -> ChatRequest:
    messages = tuple(Message(role=role, parts=(Text(text=text),)) for role, text in turns)
    return replace(ChatRequest(model="auto", messages=messages), **more)


@dataclass
class World:
    """Clients that ask by a clock of the test."""

    now: float = 0.0
    count: int = 0
    signals: Signals = field(init=False)

    def __post_init__(self) -> None:
        self.signals = Signals(lambda: self.now)

    def asks(
        self, request: ChatRequest, *, after: float = 30.0, client: str = "", whole: bool = True
    ) -> Signal | None:
        """Ask some time after the last answer, and get an answer at once."""
        self.now += after
        self.count += 1
        name = f"hs-{self.count}"
        signal = self.signals.asked(request, client, name)
        self.signals.answered(name, whole=whole)
        return signal


def test_the_same_conversation_again_is_a_word_about_the_first_answer() -> None:
    world = World()
    assert world.asks(ask(RHINE)) is None
    assert world.asks(ask(RHINE)) == Signal("hs-1", "regenerated")
    assert world.asks(ask(RHINE)) == Signal("hs-2", "regenerated")


def test_who_repeats_himself_for_ever_is_a_program() -> None:
    world = World()
    signals = [world.asks(ask(RHINE)) for _ in range(6)]
    assert [signal is not None for signal in signals] == [False, True, True, False, False, False]


def test_a_rewritten_question_in_a_conversation_that_we_know() -> None:
    world = World()
    world.asks(ask(RHINE))
    assert world.asks(ask(RHINE, ANSWER, MORE)) is None
    assert world.asks(ask(RHINE, ANSWER, OTHER)) == Signal("hs-2", "edited")


def test_another_model_name_or_mode_is_still_the_same_question() -> None:
    world = World()
    world.asks(ask(RHINE))
    assert world.asks(ask(RHINE, model="deep")) == Signal("hs-1", "regenerated")


def test_an_answer_that_did_not_come_is_asked_for_again_for_good_reason() -> None:
    world = World()
    world.asks(ask(RHINE), whole=False)
    assert world.asks(ask(RHINE)) is None
    assert world.asks(ask(RHINE)) == Signal("hs-2", "regenerated")


def test_an_answer_that_is_still_coming_was_not_read() -> None:
    signals = Signals(lambda: 0.0)
    signals.asked(ask(RHINE), "", "hs-1")
    assert signals.asked(ask(RHINE), "", "hs-2") is None


def test_too_soon_is_a_program_and_too_late_is_another_day() -> None:
    world = World()
    world.asks(ask(RHINE))
    assert world.asks(ask(RHINE), after=0.2) is None
    assert world.asks(ask(RHINE), after=601.0) is None
    world.asks(ask(RHINE, ANSWER, MORE))
    assert world.asks(ask(RHINE, ANSWER, OTHER), after=200.0) is None


def test_another_client_or_user_asks_for_himself() -> None:
    world = World()
    world.asks(ask(RHINE), client="laptop")
    assert world.asks(ask(RHINE), client="phone") is None
    assert world.asks(ask(RHINE, user="ann"), client="laptop") is None
    assert world.asks(ask(RHINE), client="laptop") == Signal("hs-1", "regenerated")


def test_a_template_is_not_a_conversation() -> None:
    world = World()
    rules: Turn = ("system", "Translate into French.")
    assert world.asks(ask(rules, RHINE)) is None
    assert world.asks(ask(rules, MORE)) is None
    assert world.asks(ask(RHINE, ANSWER, ("user", "one"))) is None  # examples, never asked as such
    assert world.asks(ask(RHINE, ANSWER, ("user", "two"))) is None


def test_what_programs_ask_says_nothing() -> None:
    world = World()
    result = Message(role="tool", parts=(ToolResult(call_id="1"),))
    step = replace(ask(RHINE), messages=(*ask(RHINE).messages, result))
    as_json = ask(RHINE, response_format=ResponseFormat(kind="json_object"))
    for request in (step, as_json, ask()):
        assert [world.asks(request) for _ in range(2)] == [None, None]


def test_wandering_cache_marks_do_not_hide_a_repetition() -> None:
    world = World()
    world.asks(ask(RHINE))
    marked = Message(role="user", parts=(Text(text=RHINE[1], cache={"type": "ephemeral"}),))
    again = replace(ask(RHINE), messages=(marked,))
    assert world.asks(again) == Signal("hs-1", "regenerated")


def test_where_turns_end_makes_a_difference() -> None:
    world = World()
    world.asks(ask(("user", "ab"), ("user", "c")))
    assert world.asks(ask(("user", "a"), ("user", "bc"))) is None


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    world = World()
    world.asks(ask(RHINE))
    for number in range(4096):
        world.asks(ask(("user", str(number))), after=0.0)
    assert world.asks(ask(RHINE)) is None
    assert world.asks(ask(("user", "4000"))) == Signal("hs-4002", "regenerated")


def test_no_text_is_kept() -> None:
    world = World()
    world.asks(ask(("user", "my secret diary")))
    kept = repr([getattr(world.signals, name) for name in vars(world.signals)])
    assert "diary" not in kept


def test_odd_text_is_no_trouble() -> None:
    world = World()
    odd = ask(("user", "half an emoji \ud83d"), user="\udc00")
    world.asks(odd)
    assert world.asks(odd) == Signal("hs-1", "regenerated")
    assert world.asks(ask(("user", "x" * 1_000_001))) is None
