"""What a provider can do wrong, as one value that tests and hypothesis can build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tests.fakes.delivery import Break, Reply, split_events
from tests.fakes.oddities import OddityKind, odd
from tests.fakes.recordings import Recording, error_recording, recording

DamageKind: TypeAlias = Literal[
    # the connection breaks
    "reset",  # RST
    "close",  # FIN without the last HTTP chunk
    "stall",  # nothing more until the client leaves
    "unended",  # the same behind a whole answer: its finish came, the end mark does not
    # the HTTP body ends well, but what it holds is wrong
    "cut",  # it ends here: in mid-event, or without the terminator
    "error",  # the provider's error event comes, and nothing after it
    "garbage",  # bytes that are no event come, and nothing after them
    "huge",  # one line of `size` bytes comes in between
    "duplicate",  # the event that follows comes twice
    # another reply altogether
    "status",  # the provider's error body with `status`
    "html",  # 200 and a login page
    "json",  # 200 and a JSON body where a stream was asked
    "empty",  # 200 and no body
    "redirect",  # 307 to another host
]
FaultKind: TypeAlias = DamageKind | OddityKind

_GARBAGE = b'\xff\xfe\x00<<< no event >>>\n\ndata: {"half": \n\n'
_HTML = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>\n"
_ERROR_EVENTS = {
    "anthropic": "anthropic/derived-midstream-overloaded",
    "gemini": "gemini/derived-midstream-503",
    "openai": "openrouter/derived-midstream-error",
}
_BODIES = {
    "anthropic": "anthropic/json-opus5-reasoning-high",
    "gemini": "gemini/json-text",
    "openai": "deepseek/json-text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and its place.

    `at` counts what comes through unharmed first: bytes of the body in a replay, characters of the
    answer in a script. `None` means: before the status line, where that can be, else at once.
    `torn`: in a script, half of the next event's bytes still come.
    """

    kind: FaultKind
    at: int | None = None
    torn: bool = False
    status: int = 500
    retry_after: float | None = None
    size: int = 8 << 20


def apply(fault: Fault, reply: Reply, *, provider: str, dialect: str) -> tuple[Reply, Break | None]:
    """The reply as the fault leaves it, and where the connection breaks if it does."""
    match fault.kind:
        case "reset" | "close" | "stall":
            return reply, Break(fault.kind, fault.at)
        case "unended":
            told = reply.events if dialect == "gemini" else reply.events[:-1]
            return reply, Break("stall", sum(map(len, told)))
        case "cut" | "error" | "garbage" | "huge" | "duplicate":
            return replace(reply, events=_spoil(fault, reply, dialect)), None
        case "status":
            return error_reply(provider, dialect, fault.status, fault.retry_after), None
        case "html" | "json" | "empty" | "redirect":
            return _foreign(fault.kind, dialect), None
        case _:
            before, after = _split(reply.events, fault.at or 0)
            events = odd(fault.kind, before, after) if reply.streamed else reply.events
            return replace(reply, events=events), None


def error_reply(
    provider: str, dialect: str, status: int, retry_after: float | None = None
) -> Reply:
    """What this provider answers with this status; only a given delay is in the headers."""
    reply = reply_of(error_recording(provider, dialect, status))
    headers = tuple(h for h in reply.headers if not h[0].lower().startswith("retry-after"))
    if retry_after is not None:
        headers += (("retry-after", f"{retry_after:g}"),)
    return replace(reply, status=status, headers=headers)


def reply_of(source: Recording) -> Reply:
    """The recording as a reply."""
    streamed = source.kind.startswith("stream")
    return Reply(
        status=source.status,
        headers=tuple(source.headers.items()),
        events=split_events(source.body) if streamed else (source.body,),
        streamed=streamed,
    )


def _spoil(fault: Fault, reply: Reply, dialect: str) -> tuple[bytes, ...]:
    before, after = _split(reply.events, fault.at or 0)
    match fault.kind:
        case "error":
            return (*before, _error_event(dialect))
        case "garbage":
            return (*before, _GARBAGE)
        case "huge":
            return (*before, b"data: " + b"x" * fault.size + b"\n\n", *after)
        case "duplicate":
            return (*before, *after[:1], *after)
        case _:
            return before


def _split(events: tuple[bytes, ...], at: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    before: list[bytes] = []
    after: list[bytes] = []
    for event in events:
        before.append(event[:at])
        after.append(event[at:])
        at = max(0, at - len(event))
    return tuple(filter(None, before)), tuple(filter(None, after))


def _error_event(dialect: str) -> bytes:
    events = reply_of(recording(_ERROR_EVENTS[dialect])).events
    return next(event for event in reversed(events) if b'"error"' in event)


def _foreign(kind: Literal["html", "json", "empty", "redirect"], dialect: str) -> Reply:
    make: dict[str, Callable[[], Reply]] = {
        "html": lambda: _plain(200, "text/html; charset=utf-8", _HTML),
        "json": lambda: reply_of(recording(_BODIES[dialect])),
        "empty": lambda: _plain(200, "text/event-stream", b""),
        "redirect": lambda: _plain(307, "text/plain", b"", location="http://127.0.0.1:9/v1"),
    }
    return make[kind]()


def _plain(status: int, content_type: str, body: bytes, **headers: str) -> Reply:
    named = (("content-type", content_type), *headers.items())
    return Reply(status=status, headers=named, events=(body,) if body else (), streamed=False)
