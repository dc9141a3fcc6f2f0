"""What a request asks of a scripted model, read from any provider's dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from models.chat import Json
from tests.fakes.disobedience import sentence_ends
from tests.fakes.replay import asked_model
from tests.fakes.wire import Received

# Whose frames and habits: `deepseek` and `vllm` speak the OpenAI dialect in their own way.
Dialect: TypeAlias = Literal["anthropic", "gemini", "openai", "deepseek", "vllm"]

_QUOTE_CHARS = 12  # a shorter match may be a word that the user took up
_LIMITS = ("max_tokens", "max_completion_tokens", "maxOutputTokens")
_PATHS = {
    "anthropic": re.compile(r"/v1/messages$"),
    "gemini": re.compile(r"/models/[^/]+:(streamG|g)enerateContent$"),
    "openai": re.compile(r"/chat/completions$"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request's facts.

    transcript: the answer so far, in the last assistant turn; `native` when that is the last turn
    of all, marked as this provider wants it. `instruction`: the user turn that follows it.
    contradictory: vLLM is asked to continue a turn and to begin another at once.
    """

    model: str
    stream: bool
    transcript: str = ""
    native: bool = False
    instruction: str = ""
    contradictory: bool = False
    include_usage: bool = False
    logprobs: bool = False
    sampling: bool = False
    max_tokens: int | None = None
    prompt_words: int = 0


def family(dialect: Dialect) -> Literal["anthropic", "gemini", "openai"]:
    """The wire format that this dialect belongs to."""
    return dialect if dialect in ("anthropic", "gemini") else "openai"


def is_generation(request: Received, dialect: Dialect) -> bool:
    """Whether the path is the one that makes this provider's models talk."""
    return bool(_PATHS[family(dialect)].search(request.path))


def key_of(request: Received, dialect: Dialect) -> str:
    """The API key that came with the request."""
    match family(dialect):
        case "anthropic":
            return request.headers.get("x-api-key", "")
        case "gemini":
            return request.headers.get("x-goog-api-key", "")
        case "openai":
            return request.headers.get("authorization", "").removeprefix("Bearer ")


def read(request: Received, dialect: Dialect) -> Asked:
    """The facts of one request."""
    body = request.json
    gemini = dialect == "gemini"
    turns = _gemini_turns(body) if gemini else _turns(body)
    options: Json = body.get("generationConfig", {}) if gemini else body
    stream_options: dict[str, Json] = body.get("stream_options") or {}
    role, text = turns[-1] if turns else ("", "")
    previous = turns[-2] if len(turns) > 1 else ("", "")
    native = role == "assistant"
    answered = previous[0] == "assistant"
    return Asked(
        model=asked_model(request),
        stream="stream" in request.path if gemini else bool(body.get("stream")),
        transcript=text if native else previous[1] if answered else "",
        native=native and _marked(body, dialect),
        instruction=text if answered and not native else "",
        contradictory=native and dialect == "vllm" and _contradicts(body),
        include_usage=bool(stream_options.get("include_usage")),
        logprobs=bool(body.get("logprobs")),
        sampling=any(key in options for key in ("temperature", "top_p", "top_k")),
        max_tokens=next((options[key] for key in _LIMITS if key in options), None),
        prompt_words=sum(len(text.split()) for _, text in turns),
    )


def goes_on(answer: str, asked: Asked) -> bool:
    """Whether the request asks to go on from a transcript, rather than to answer a new turn."""
    said = asked.transcript
    unfinished = bool(said) and answer.startswith(said) and len(said) < len(answer)
    return asked.native or unfinished or bool(quoted_tail(asked))


def resume_at(answer: str, transcript: str) -> int:
    """How much of the answer the transcript already holds.

    A model before may have left a sentence unfinished and begun another; or the transcript begins
    with what another model said: then the longest beginning of a sentence that stands at its end
    counts.
    """
    if answer.startswith(transcript):
        return len(transcript)
    told = 0
    for begin in sentence_ends(answer)[:-1]:
        begin += len(answer[begin:]) - len(answer[begin:].lstrip())
        length = _beginning(answer[begin:], transcript)
        told = begin + length if length > 1 else told
    return told or _beginning(answer, transcript)


def _beginning(answer: str, transcript: str) -> int:
    """How much of the beginning of one stands at the end of the other."""
    for length in range(min(len(transcript), len(answer)), 0, -1):
        starts_word = length == len(transcript) or transcript[-length - 1].isspace()
        if starts_word and transcript.endswith(answer[:length]):
            return length
    return 0


def quoted_tail(asked: Asked) -> str:
    """The end of the transcript that the instruction quotes, "" when it quotes none."""
    said = asked.transcript.rstrip()
    length = 0
    while length < len(said) and said[-length - 1 :] in asked.instruction:
        length += 1
    enough = length == len(said) or length >= _QUOTE_CHARS
    return said[len(said) - length :] if enough else ""


def _turns(body: Json) -> list[tuple[str, str]]:
    return [(turn["role"], _text(turn.get("content"))) for turn in body.get("messages", [])]


def _gemini_turns(body: Json) -> list[tuple[str, str]]:
    roles = {"model": "assistant"}
    return [
        (roles.get(turn.get("role"), "user"), _text(turn["parts"]))
        for turn in body.get("contents", [])
    ]


def _text(content: str | list[dict[str, Json]] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def _marked(body: Json, dialect: Dialect) -> bool:
    """Whether a trailing assistant turn is marked the way that makes this provider continue it."""
    match dialect:
        case "deepseek":
            return bool(body["messages"][-1].get("prefix"))
        case "vllm":
            return bool(body.get("continue_final_message"))
        case _:
            return True


def _contradicts(body: Json) -> bool:
    return bool(body.get("continue_final_message") and body.get("add_generation_prompt", True))
