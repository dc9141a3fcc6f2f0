"""Who is asked in which order, and how requests spread among equals."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate, count, takewhile
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import Abilities, ModelCard, Price, Rates
from models.chat import ChatRequest, Message, Text, Tool
from models.errors import HeadstartError, Overloaded, ProviderServerError
from router.chain import groups, written
from router.fleet import Fleet
from router.health import HealthBook
from router.outcome import LegRecord
from router.plan import Plan, Target
from router.policy import Asked, FleetView, Rules, choose, shares_now
from router.weights import Record

_ASK = ChatRequest(model="deep", messages=(Message(role="user", parts=(Text(text="Why?"),)),))
_DEEP = Asked(mode="deep")
_AT = datetime(2026, 11, 24, tzinfo=UTC)
_UNIFORM = st.floats(0.0, 1.0, exclude_max=True)


def _target(name: str, usd: str = "", *, tools: bool = True) -> Target:
    provider, _, model = name.partition("/")
    rates = Rates(input=Decimal(usd), output=Decimal(usd)) if usd else Rates()
    card = ModelCard(
        provider=provider, id=model, abilities=Abilities(tools=tools), prices=(Price(rates=rates),)
    )
    return Target(provider=provider, card=card)


_HOSTED = {t.name: t for t in map(_target, ("a/m", "b/m", "c/m", "d/m"))}
_EQUALS = Rules(order=("a/m", ("b/m", "c/m"), "d/m"))


def _chain(plan: Plan) -> list[str]:
    return [target.name for target in plan.deep]


def _line(fleet: FleetView, rules: Rules, draw: float) -> list[str]:
    return _chain(choose(_ASK, _DEEP, None, fleet, rules, draw=draw, at=_AT))


def test_an_order_names_everybody_once() -> None:
    order = ("a", ("b", "c", "b"), "c", ("a", "d"), ("b",))
    assert list(groups(order)) == [("a",), ("b", "c"), ("d",)]
    assert list(groups(("c",), order)) == [("c",), ("a",), ("b",), ("d",)]
    assert written(("a", ("b", "c"))) == "a, b | c"


def test_without_a_group_the_order_is_a_preference_whatever_is_drawn() -> None:
    fleet, rules = FleetView(hosted=_HOSTED), Rules(order=("a/m", "b/m", "c/m"))
    slow = {"a/m": Record(first_event=9.0), "b/m": Record(first_event=0.1)}
    for draw in (0.0, 0.5, 0.99):
        assert _line(fleet, rules, draw) == ["a/m", "b/m", "c/m"]
        assert _line(FleetView(hosted=_HOSTED, records=slow), rules, draw) == ["a/m", "b/m", "c/m"]
    assert choose(_ASK, _DEEP, None, fleet, rules).shares == {}


def test_one_of_the_equals_is_drawn_and_the_others_follow_in_their_place() -> None:
    fleet = FleetView(hosted=_HOSTED)
    assert _line(fleet, _EQUALS, 0.49) == ["a/m", "b/m", "c/m", "d/m"]
    assert _line(fleet, _EQUALS, 0.51) == ["a/m", "c/m", "b/m", "d/m"]


def test_after_the_drawn_one_the_best_goes_on() -> None:
    records = {"b/m": Record(first_event=4.0), "c/m": Record(first_event=1.0)}
    fleet = FleetView(hosted=_HOSTED, records=records)
    rules = Rules(order=(("d/m", "b/m", "c/m"),))
    plan = choose(_ASK, _DEEP, None, fleet, rules, draw=0.0, at=_AT)
    assert _chain(plan) == ["d/m", "c/m", "b/m"]
    assert plan.shares["c/m"] > plan.shares["d/m"] > plan.shares["b/m"]


def test_a_task_has_equals_of_its_own() -> None:
    rules = Rules(order=("a/m", "b/m"), tasks={"chat": (("c/m", "d/m"),)})
    fleet = FleetView(hosted=_HOSTED)
    assert _line(fleet, rules, 0.9) == ["d/m", "c/m", "a/m", "b/m"]


def test_the_cheaper_equal_is_asked_more() -> None:
    hosted = {t.name: t for t in (_target("b/m", "3"), _target("c/m", "1"))}
    plan = choose(_ASK, _DEEP, None, FleetView(hosted=hosted), Rules(order=(("b/m", "c/m"),)))
    assert plan.shares == {"b/m": 0.5, "c/m": 0.5}  # nobody said when: prices are dated
    rules = Rules(order=(("b/m", "c/m"),))
    plan = choose(_ASK, _DEEP, None, FleetView(hosted=hosted), rules, at=_AT)
    assert plan.shares == {"b/m": pytest.approx(0.25), "c/m": pytest.approx(0.75)}


def test_who_cannot_take_the_request_is_no_equal() -> None:
    hosted = {**_HOSTED, "b/m": _target("b/m", tools=False)}
    request = ChatRequest(model="deep", messages=_ASK.messages, tools=(Tool(name="t"),))
    plan = choose(request, _DEEP, None, FleetView(hosted=hosted), _EQUALS, draw=0.0)
    assert (_chain(plan), plan.shares) == (["a/m", "c/m", "d/m"], {})


@given(_UNIFORM, st.sets(st.sampled_from(sorted(_HOSTED))))
def test_who_rests_is_asked_last(draw: float, resting: set[str]) -> None:
    fleet = FleetView(hosted=_HOSTED, resting=frozenset(resting))
    line = _line(fleet, _EQUALS, draw)
    assert sorted(line) == sorted(_HOSTED)
    assert set(line[len(line) - len(resting) :]) == resting


@given(_UNIFORM, _UNIFORM)
def test_the_same_draw_is_the_same_plan(draw: float, other: float) -> None:
    fleet = FleetView(hosted=_HOSTED)
    assert _line(fleet, _EQUALS, draw) == _line(fleet, _EQUALS, draw)
    assert _line(fleet, _EQUALS, draw)[0] == _line(fleet, _EQUALS, other)[0] == "a/m"


@given(st.lists(st.floats(0.05, 5.0), min_size=3, max_size=3))
def test_requests_spread_by_the_shares(seconds: list[float]) -> None:
    names = ("b/m", "c/m", "d/m")
    records = {n: Record(first_event=s) for n, s in zip(names, seconds, strict=True)}
    fleet, rules = FleetView(hosted=_HOSTED, records=records), Rules(order=(names,))
    found = choose(_ASK, _DEEP, None, fleet, rules, at=_AT).shares
    draws = 500
    first = Counter(_line(fleet, rules, (n + 0.5) / draws)[0] for n in range(draws))
    for name in names:
        assert first[name] / draws == pytest.approx(found[name], abs=2 / draws)


def test_shares_of_now_say_where_they_hold() -> None:
    rules = Rules(order=(("b/m", "c/m"), "d/m"), tasks={"code": (("c/m", "a/m", "gone/m"),)})
    fleet = FleetView(hosted=_HOSTED, resting=frozenset({"b/m"}))
    assert shares_now(fleet, rules, _AT) == {
        "b/m": {"order": 0.0},
        "c/m": {"order": 1.0, "code": 0.5},
        "a/m": {"code": 0.5},
    }


class _Traffic:
    """Requests one after the other over a real fleet's health, each drawn evenly."""

    def __init__(self, rules: Rules) -> None:
        self.now = 0.0
        self.asked: Counter[str] = Counter()
        self._rules = rules
        book = HealthBook(clock=lambda: self.now)
        self._fleet = Fleet({}, fast=None, hosted=_HOSTED, health=book)

    def request(
        self, draw: float, seconds: dict[str, float], dead: dict[str, HeadstartError]
    ) -> int:
        """How many legs one request needed."""
        plan = choose(_ASK, _DEEP, None, self._fleet.view(), self._rules, draw=draw, at=_AT)
        for tries, target in enumerate(plan.deep, 1):
            self.asked[target.name] += 1
            leg = LegRecord(role="upgrade", target=target, opened_because="plan", started=0.0)
            self._fleet.leg_opened(leg)
            leg.error = dead.get(target.name)
            leg.first_event = seconds.get(target.name, 1.0) if leg.error is None else None
            self._fleet.leg_ended(leg)
            if leg.error is None:
                return tries
        raise AssertionError("nobody answered")


def _most_probes(seconds: float) -> int:
    """Rests are half of 5, 10, 20 ... 300 seconds at least."""
    ends = accumulate(min(300.0, 5.0 * 2**n) / 2 for n in count())
    return 1 + sum(1 for _ in takewhile(lambda end: end <= seconds, ends))


@pytest.mark.parametrize(
    ("error", "to_notice"),
    [
        (ProviderServerError("dead"), 10),  # half of the last twenty
        (Overloaded("dead"), 1),
    ],
)
@given(seed=st.integers(0, 1000), gap=st.floats(0.01, 5.0))
def test_a_dead_equal_costs_its_probes_and_no_more(
    error: HeadstartError, to_notice: int, seed: int, gap: float
) -> None:
    traffic, draw = _Traffic(Rules(order=(("a/m", "b/m", "c/m"),))), Random(seed).random
    for _ in range(60):  # all is well
        traffic.request(draw(), {}, {})
        traffic.now += gap
    since, before, requests, legs = traffic.now, traffic.asked["a/m"], 300, 0
    for _ in range(requests):
        legs += traffic.request(draw(), {}, {"a/m": error})
        traffic.now += gap
    wasted = traffic.asked["a/m"] - before
    assert wasted <= to_notice + _most_probes(traffic.now - since)
    assert legs == requests + wasted, "each costs one leg, and the next equal answers"


def test_a_host_that_comes_back_gets_its_share_again() -> None:
    traffic = _Traffic(Rules(order=(("a/m", "b/m"),)))
    for n in range(50):
        traffic.request((n * 0.618) % 1, {}, {"a/m": ProviderServerError("dead")})
        traffic.now += 1.0
    traffic.now += 300.0
    traffic.asked.clear()
    for n in range(400):
        traffic.request((n * 0.618) % 1, {}, {})
        traffic.now += 1.0
    assert traffic.asked["a/m"] / 400 == pytest.approx(0.5, abs=0.05)


def test_shares_follow_what_is_measured() -> None:
    traffic = _Traffic(Rules(order=(("a/m", "b/m"),)))
    for n in range(2000):
        traffic.request((n * 0.618) % 1, {"a/m": 0.3, "b/m": 0.9}, {})
    # The first few were spread evenly: nothing was known yet.
    assert traffic.asked["a/m"] / 2000 == pytest.approx(0.75, abs=0.02)
