"""A hosted model that says what a test tells it to, in the frames of a real provider's recording.

Unlike a replay it can continue: when the request carries an answer so far, it goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from typing_extensions import override

from models.chat import ToolCall
from models.stream import FinishReason, Usage
from tests.fakes.asked import (
    Asked,
    Dialect,
    family,
    goes_on,
    is_generation,
    key_of,
    quoted_tail,
    read,
    resume_at,
)
from tests.fakes.delivery import Break, Delivery, Reply, steps
from tests.fakes.disobedience import NATIVE, Kind, disobey
from tests.fakes.faults import Fault, apply, error_reply, reply_of
from tests.fakes.frames.anthropic import AnthropicFrames
from tests.fakes.frames.base import Frame, Frames, Said, Token
from tests.fakes.frames.gemini import GeminiFrames
from tests.fakes.frames.openai import DEEPSEEK, OPENAI, VLLM
from tests.fakes.recordings import recording
from tests.fakes.wire import Received, Step, WireServer

_TOKEN = re.compile(r"\s?\w+|\s?[^\w\s]|\s")
_FRAMES: dict[Dialect, Frames] = {
    "anthropic": AnthropicFrames(),
    "gemini": GeminiFrames(),
    "openai": OPENAI,
    "deepseek": DEEPSEEK,
    "vllm": VLLM,
}
_PREFILL_REFUSED = {
    "anthropic": "anthropic/constructed-error-400-prefill",
    "gemini": "gemini/constructed-error-400-model-turn",
    "openai": "openrouter/error-400-context",
}
_SAMPLING_REFUSED = "anthropic/constructed-error-400-temperature"
_STREAM_TYPES = {"anthropic": "text/event-stream; charset=utf-8", "gemini": "text/event-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer.

    usage: what is reported; `None` counts the words of the prompt and the tokens of the reply.
    logprob: of every token, where the request asks for log-probabilities.
    echo: words of the transcript said again before going on; `None` says again what an
        instruction quotes, as it asks, and nothing after a native prefill.
    restart: say everything from the beginning, whatever was already shown.
    disobeys: what it does instead where it is asked to go on; `seed` draws how.
    headers: of the reply, beside its content type.
    fault: `at` counts characters of this reply's text; a "json" fault is this very answer, whole.
    """

    answer: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage | None = None
    tokens_per_chunk: int = 1
    logprob: float = -0.1
    echo: int | None = None
    restart: bool = False
    disobeys: Kind | None = None
    seed: int = 0
    delivery: Delivery = Delivery()  # noqa: RUF009 - frozen
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None


class ScriptedProvider(WireServer):
    """Answers its n-th generation request with the n-th turn; the last turn repeats.

    prefill: `False` refuses a trailing assistant turn with the provider's own 400.
    sampling: `False` refuses temperature, top_p and top_k, as newer Claude models do.
    api_key: when set, any other key gets the provider's 401.
    """

    def __init__(
        self,
        dialect: Dialect,
        *turns: Turn | str,
        model: str = "scripted-model",
        prefill: bool = True,
        sampling: bool = True,
        api_key: str = "",
    ) -> None:
        """A plain text is a turn with that answer."""
        super().__init__()
        self.dialect: Dialect = dialect
        self.model = model
        self.api_key = api_key
        self._prefill = prefill
        self._sampling = sampling
        self.script(*turns)

    def script(self, *turns: Turn | str) -> None:
        """Replace the turns and begin with the first."""
        self._turns = [turn if isinstance(turn, Turn) else Turn(answer=turn) for turn in turns]
        self._next = 0

    @property
    @override
    def base_url(self) -> str:
        """As this provider's own SDK takes it: OpenAI's with /v1, the others' without."""
        return self.origin if family(self.dialect) != "openai" else f"{self.origin}/v1"

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        """An answer, a refusal, or what an engine says of itself."""
        if self.api_key and key_of(request, self.dialect) != self.api_key:
            return steps(self._error(401), Delivery())
        if request.method == "GET":
            return steps(self._about(request.path), Delivery())
        if not is_generation(request, self.dialect):
            return steps(self._error(404), Delivery())
        asked = read(request, self.dialect)
        if refusal := self._refusal(asked):
            return steps(reply_of(recording(refusal)), Delivery())
        turn = self._turns[min(self._next, len(self._turns) - 1)]
        self._next += 1
        return _steps(self.dialect, turn, replace(asked, model=asked.model or self.model))

    def _refusal(self, asked: Asked) -> str:
        """The recording that refuses this request, if it is one this model does not take."""
        if asked.contradictory:
            return "vllm/error-400-continue"
        if asked.native and not self._prefill:
            return _PREFILL_REFUSED[family(self.dialect)]
        if self.dialect == "anthropic" and asked.native and asked.transcript[-1:].isspace():
            return _PREFILL_REFUSED["anthropic"]  # Claude refuses trailing white space
        if asked.sampling and not self._sampling:
            return _SAMPLING_REFUSED
        return ""

    def _error(self, status: int) -> Reply:
        return error_reply(self.dialect, family(self.dialect), status)

    def _about(self, path: str) -> Reply:
        if path == "/health":
            return _json_reply(b"")
        if path.endswith("/models"):
            entry = f'{{"id":"{self.model}","object":"model","max_model_len":8192}}'
            return _json_reply(f'{{"object":"list","data":[{entry}]}}'.encode())
        return self._error(404)


@lru_cache(maxsize=256)
def _steps(dialect: Dialect, turn: Turn, asked: Asked) -> tuple[Step, ...]:
    """Cached: a benchmark asks the same thing again and again."""
    said = _said(turn, asked)
    reply, marks = _reply(dialect, said, asked)
    reply = replace(reply, headers=(*reply.headers, *turn.headers))
    broken: Break | None = None
    if turn.fault is not None and turn.fault.kind == "json":
        reply = _json_reply(_FRAMES[dialect].body(said))
    elif turn.fault is not None:
        fault = replace(turn.fault, at=_byte_offset(turn.fault, reply, marks))
        reply, broken = apply(fault, reply, provider=dialect, dialect=family(dialect))
    return tuple(steps(reply, turn.delivery, broken))


def _said(turn: Turn, asked: Asked) -> Said:
    tokens = tokens_of(_text_left(turn, asked))
    finish: FinishReason = "tool_calls" if turn.tool_calls else turn.finish
    if asked.max_tokens is not None and len(tokens) > asked.max_tokens:
        tokens, finish = tokens[: asked.max_tokens], "length"
    thoughts = tokens_of(turn.reasoning)
    counted = Usage(
        input=asked.prompt_words,
        output=len(thoughts) + len(tokens) + 8 * len(turn.tool_calls),
        reasoning=len(thoughts),
    )
    return Said(
        model=asked.model,
        finish=finish,
        usage=turn.usage or counted,
        reasoning=tuple(_grouped(thoughts, turn.tokens_per_chunk)),
        text=tuple(spoken(tokens, turn)),
        tool_calls=turn.tool_calls,
        include_usage=asked.include_usage,
        logprobs=asked.logprobs,
    )


def _text_left(turn: Turn, asked: Asked) -> str:
    """What the model says, given what was already shown."""
    if turn.restart or not goes_on(turn.answer, asked):
        return turn.answer
    rest = turn.answer[resume_at(turn.answer, asked.transcript) :]
    if turn.disobeys is not None and _may_disobey(turn, asked):
        chance = Random(turn.seed)
        told = asked.instruction
        return disobey(turn.disobeys, turn.answer, asked.transcript, chance, instruction=told).reply
    shown = asked.transcript.rstrip()
    again = quoted_tail(asked) if turn.echo is None else _last_words(shown, turn.echo)
    if not again:
        return rest
    touching = asked.transcript == shown and len(rest) == len(turn.answer)
    gap = " " if touching else asked.transcript[len(shown) :]
    return again + gap + rest


def _may_disobey(turn: Turn, asked: Asked) -> bool:
    """An echo takes native prefill, the rest an instruction; both, that the answer was begun."""
    begun = asked.transcript != "" and turn.answer.startswith(asked.transcript)
    return begun and (turn.disobeys in NATIVE) == asked.native


def _last_words(text: str, count: int) -> str:
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    return text[starts[-count:][0] :] if starts and count else ""


def tokens_of(text: str) -> list[str]:
    """Words and marks with the space before them; joined they are the text."""
    return [match.group() for match in _TOKEN.finditer(text)]


def spoken(tokens: list[str], turn: Turn) -> Iterator[Token]:
    """Tokens by chunk; a fault inside the answer gets a chunk border exactly there."""
    border = turn.fault.at if turn.fault is not None else None
    position = 0
    for start in range(0, len(tokens), turn.tokens_per_chunk):
        group = tokens[start : start + turn.tokens_per_chunk]
        text = "".join(group)
        if border is not None and position < border < position + len(text):
            inside = border - position
            yield _token([text[:inside]], turn)
            yield _token([text[inside:]], turn)
        else:
            yield _token(group, turn)
        position += len(text)


def _token(group: list[str], turn: Turn) -> Token:
    return Token("".join(group), tuple((text, turn.logprob) for text in group))


def _grouped(tokens: list[str], size: int) -> Iterator[str]:
    return ("".join(tokens[start : start + size]) for start in range(0, len(tokens), size))


def _reply(dialect: Dialect, said: Said, asked: Asked) -> tuple[Reply, list[Frame]]:
    frames = _FRAMES[dialect]
    if not asked.stream:
        return _json_reply(frames.body(said)), []
    marks = list(frames.stream(said))
    content_type = _STREAM_TYPES.get(dialect, "text/event-stream; charset=utf-8")
    reply = Reply(
        status=200,
        headers=(("content-type", content_type), ("cache-control", "no-cache")),
        events=tuple(frame.data for frame in marks),
        streamed=True,
    )
    return reply, marks


def _byte_offset(fault: Fault, reply: Reply, marks: list[Frame]) -> int | None:
    """Where in the body the fault stands, given in characters of the answer."""
    if fault.at is None:
        return None
    if not marks:
        return min(fault.at, len(reply.body) - 1)
    offset = chars = 0
    for mark in marks:
        if chars >= fault.at:
            return offset + (len(mark.data) // 2 if fault.torn else 0)
        offset += len(mark.data)
        chars += mark.chars
    return offset


def _json_reply(body: bytes) -> Reply:
    headers = (("content-type", "application/json"),)
    return Reply(status=200, headers=headers, events=(body,) if body else (), streamed=False)
