"""The hosts of `./scripts/chaos`: what each kind of fault or disobedience makes them do."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from models.chat import Json
from tests.fakes.asked import Dialect
from tests.fakes.delivery import Delivery
from tests.fakes.disobedience import INSTRUCTED, NATIVE, Kind
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import Received, Step

ANSWER = (
    "The Rhine rises in the Alps. Er fließt durch sechs Länder — 莱茵河流经六个国家。 It carries "
    "ore, grain and oil 🚢: about 300 million tonnes a year. در تابستان‌های خشک آب پایین می‌رود. "
    "In dry summers the water at Kaub falls below 40 cm, and half-empty ships cost dearly 👩🏽‍🔧."
)
_CASE = re.compile(rb"case-(\d+)-(\w+)")
_SLOW = Delivery(cut=40, pauses=(0.02, 0.05, 0.02), pause=0.0)
_BYTES = Delivery(cut=1, per_write=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ill:
    """What goes wrong. `placed`: anywhere in the answer. `way`: how the next models go on."""

    kind: FaultKind | None = None
    options: dict[str, Json] = field(default_factory=dict[str, Json])
    delivery: Delivery = Delivery()  # noqa: RUF009 - frozen
    placed: bool = False
    way: Kind | None = None


_FAULTS: dict[str, Ill] = {
    "nothing": Ill(),
    "refuse": Ill(),  # the first host's port is closed: see `chaos`
    "reset_at_once": Ill(kind="reset", options={"at": None}),
    "429": Ill(kind="status", options={"status": 429}),
    "429_retry_after": Ill(kind="status", options={"status": 429, "retry_after": 0.05}),
    "500": Ill(kind="status", options={"status": 500}),
    "529": Ill(kind="status", options={"status": 529}),
    "cut": Ill(kind="cut", placed=True),
    "cut_in_event": Ill(kind="cut", options={"torn": True}, placed=True),
    "error_event": Ill(kind="error", placed=True),
    "reset": Ill(kind="reset", placed=True),
    "closed": Ill(kind="close", placed=True),
    "stall": Ill(kind="stall", placed=True),
    "no_end_mark": Ill(kind="unended"),
    "slow_drip": Ill(delivery=_SLOW),
    "utf8_split": Ill(delivery=_BYTES),
    "garbage": Ill(kind="garbage", placed=True),
    "content_type": Ill(kind="html"),
    "json_body": Ill(kind="json"),
    "empty": Ill(kind="empty"),
    "redirect": Ill(kind="redirect"),
    "huge_event": Ill(kind="huge", options={"size": 1 << 20}, placed=True),
    # Text that comes twice looks like text that is meant twice; the first and last event do not.
    "duplicate_start": Ill(kind="duplicate", options={"at": 0}),
    "duplicate_end": Ill(kind="duplicate", options={"at": len(ANSWER)}),
}
_WAYS = {way: Ill(kind="cut", placed=True, way=way) for way in (*INSTRUCTED, *NATIVE)}
KINDS: dict[str, Ill] = {**_FAULTS, **_WAYS}


class Chaotic(ScriptedProvider):
    """A provider that fails as the request's case says, if it is among the first asked for it."""

    asked: ClassVar[Counter[int]] = Counter()  # by case, shared by all providers
    went_on: ClassVar[Counter[str]] = Counter()  # models that were asked to, by way

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        found = _CASE.search(request.body)
        if found is not None:
            case, name = int(found.group(1)), found.group(2).decode()
            self.asked[case] += 1
            ill, nth = KINDS[name], self.asked[case]
            turn = (
                _breaking(ill, case, nth, self.dialect) if _breaks(ill, case, nth, self) else None
            )
            if turn is None and ill.way is not None and nth > 1:
                self.went_on[name] += 1
            self.script(turn or _healthy(ill, case, nth))
        return super().respond(request)


def _breaks(ill: Ill, case: int, nth: int, host: ScriptedProvider) -> bool:
    """The first does, and of a half of the cases the second too. Of echoes: whoever cannot echo."""
    if ill.way in NATIVE:
        return nth == 1 or host.dialect in {"anthropic", "gemini"}
    return nth <= 1 + case // len(KINDS) % 2


def _healthy(ill: Ill, case: int, nth: int) -> Turn:
    tokens = random.Random(case * 10 + nth).randint(1, 5)
    return Turn(answer=ANSWER, tokens_per_chunk=tokens, disobeys=ill.way, seed=case)


def _breaking(ill: Ill, case: int, nth: int, dialect: Dialect) -> Turn:
    chance = random.Random(case * 10 + nth)
    options = dict(ill.options)
    if ill.placed:
        options["at"] = chance.randint(0, len(ANSWER))
    # Gemini's first event has text in it.
    harmless = ill.kind is None or (options.get("at") == 0 and dialect == "gemini")
    fault = None if harmless else Fault(kind=ill.kind, **options)  # pyright: ignore[reportArgumentType]
    tokens = chance.randint(1, 5)
    return Turn(answer=ANSWER, fault=fault, delivery=ill.delivery, tokens_per_chunk=tokens)
