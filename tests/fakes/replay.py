"""A provider that answers with recordings, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch

from typing_extensions import override

from tests.fakes.delivery import Delivery, steps
from tests.fakes.faults import Fault, apply, reply_of
from tests.fakes.recordings import Recording
from tests.fakes.wire import Received, Step, WireServer


@dataclass(slots=True, eq=False, kw_only=True)
class Replay:
    """One recording, for requests whose path and model match these globs.

    `times`: how many requests it answers before the next match has its turn; `None`: all.
    """

    recording: Recording
    path: str = "*"
    model: str = "*"
    times: int | None = None
    delivery: Delivery = field(default_factory=Delivery)
    fault: Fault | None = None

    def takes(self, request: Received) -> bool:
        """Whether this recording answers the request."""
        return (
            self.times != 0
            and fnmatch(request.path, self.path)
            and fnmatch(asked_model(request), self.model)
        )

    def steps(self) -> Iterable[Step]:
        """The recorded reply as it is delivered, with its fault."""
        reply, broken = reply_of(self.recording), None
        if self.fault is not None:
            source = self.recording
            reply, broken = apply(
                self.fault, reply, provider=source.provider, dialect=source.dialect
            )
        return steps(reply, self.delivery, broken)


class ReplayServer(WireServer):
    """Answers each request with the first of `replays` that takes it."""

    def __init__(self, *replays: Replay | Recording) -> None:
        """Take recordings in order of preference; a bare one answers everything."""
        super().__init__()
        self.replays = [r if isinstance(r, Replay) else Replay(recording=r) for r in replays]

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        """The steps of the first match."""
        for replay in self.replays:
            if replay.takes(request):
                if replay.times is not None:
                    replay.times -= 1
                return replay.steps()
        message = f"no recording for {request.method} {request.target} ({asked_model(request)!r})"
        raise LookupError(message)


def asked_model(request: Received) -> str:
    """The model that the request names, in its body or (Gemini) in its path."""
    if "/models/" in request.path:
        return request.path.rpartition("/models/")[2].partition(":")[0]
    if "json" not in request.headers.get("content-type", ""):
        return ""
    return str(request.json.get("model", ""))
