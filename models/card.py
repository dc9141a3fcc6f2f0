"""What is known of one model: its window, abilities, prices and equals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Literal

# How a model is made to go on from text that was already shown (see router/baton.py).
# "none": only an instruction in a user turn works; a trailing assistant turn is refused or ignored.
# The others name the wire form: a trailing assistant turn as is, with `prefix: true`, as a
# trailing model turn, or with vLLM's `continue_final_message`.
PrefillForm = Literal[
    "none", "assistant_turn", "prefix_flag", "model_turn", "continue_final_message"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the model can do. Defaults are conservative: a card opts in.

    `sampling`: temperature, top_p and top_k are accepted (newer Claude models answer 400).
    `forced_tool_choice`: `required` or a named tool is accepted.
    `efforts`: the reasoning efforts it takes, lowest first; empty means it has no such knob.
    """

    prefill: PrefillForm = "none"
    tools: bool = True
    forced_tool_choice: bool = True
    parallel_tools: bool = True
    json_object: bool = False
    json_schema: bool = False
    vision: bool = False
    documents: bool = False
    audio: bool = False
    video: bool = False
    reasoning: bool = False
    reasoning_always_on: bool = False
    sampling: bool = True
    logprobs: bool = False
    prompt_cache_min_tokens: int | None = None
    efforts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars per million tokens. `None` means the rate is not known or does not exist."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPeakWindow:
    """Hours (UTC) of the given ISO weekdays in which other rates hold; `end` 00:00 is midnight."""

    weekdays: tuple[int, ...]
    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Rates from a date on. Old prices stay in the list, so past requests keep their cost.

    `prompt_over`: these rates hold for the whole request when its prompt has more tokens.
    `off_peak`: these rates hold only inside the windows.
    """

    rates: Rates
    since: date | None = None
    prompt_over: int = 0
    off_peak: tuple[OffPeakWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model at one provider. `provider/id` is its full name; `equals` are full names elsewhere."""

    provider: str
    id: str
    aliases: tuple[str, ...] = ()
    window: int | None = None  # tokens, prompt and answer together
    max_output: int | None = None
    abilities: Abilities = Abilities()
    prices: tuple[Price, ...] = ()
    equals: tuple[str, ...] = ()
    status: str = "current"
    retires: date | None = None  # the provider stops serving it that day
    checked: date | None = None
    sources: tuple[str, ...] = ()
    known: bool = True  # False: made up conservatively for a model that no catalogue lists

    @property
    def name(self) -> str:
        """`provider/id`, as clients and configuration write it."""
        return f"{self.provider}/{self.id}"
