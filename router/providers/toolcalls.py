"""Tool calls while they stream in: numbered from 0, and ended only when they are whole."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from models.chat import Opaque
from models.stream import StreamEvent, ToolArgsDelta, ToolCallEnded, ToolCallStarted
from router.providers.arguments import is_object


def new_call_id() -> str:
    """An id for a call whose provider gave it none."""
    return f"call_{uuid4().hex[:24]}"


class _Call:
    __slots__ = ("ended", "id", "index", "name", "opaque", "pieces", "started")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.opaque: tuple[Opaque, ...] = ()
        self.pieces: list[str] = []
        self.started = False
        self.ended = False

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class ToolCalls:
    """The calls of one reply, by the provider's key for them (an index or an item id)."""

    __slots__ = ("_broken", "_by_key", "_calls", "_new_id")

    def __init__(self, new_id: Callable[[], str] = new_call_id) -> None:
        """`new_id` names calls that come without an id."""
        self._by_key: dict[object, _Call] = {}
        self._calls: list[_Call] = []
        self._broken = False
        self._new_id = new_id

    def __bool__(self) -> bool:
        """True when the reply called a tool."""
        return bool(self._calls)

    def arguments(self, key: object) -> str:
        """What has come in so far for this call."""
        call = self._by_key.get(key)
        return call.arguments if call else ""

    def open(
        self,
        key: object,
        out: list[StreamEvent],
        *,
        id: str = "",
        name: str = "",
        opaque: tuple[Opaque, ...] = (),
    ) -> None:
        """Begin the call of this key, or add what a later piece tells about it.

        A piece with another id is another call: some hosts give each parallel call index 0.
        """
        call = self._by_key.get(key)
        if call is None or (id and call.id and id != call.id):
            self._end_whole(out)
            call = self._by_key[key] = _Call(len(self._calls))
            self._calls.append(call)
        if call.started:
            return
        call.id = call.id or id
        call.name = call.name or name
        call.opaque += opaque
        if call.name:
            self._start(call, out)

    def add(self, key: object, text: str, out: list[StreamEvent]) -> None:
        """A piece of the arguments."""
        call = self._by_key.get(key)
        if call is None or not text:
            return
        if call.ended:  # whole when the next call opened: only white space can follow
            self._broken = self._broken or bool(text.strip())
            return
        call.pieces.append(text)
        if call.started:
            out.append(ToolArgsDelta(call.index, text))

    def finish(self, out: list[StreamEvent], *, cut: bool = False) -> bool:
        """End the calls that are whole; False when one is not.

        `cut`: the reply broke off, so a call without arguments may have lost them.
        """
        if not cut:
            for call in self._calls:
                if call.started and not call.arguments.strip():
                    call.pieces.append("{}")
                    out.append(ToolArgsDelta(call.index, "{}"))
        self._end_whole(out)
        return not self._broken and all(call.ended for call in self._calls)

    def _start(self, call: _Call, out: list[StreamEvent]) -> None:
        call.id = call.id or self._new_id()
        call.started = True
        out.append(ToolCallStarted(call.index, call.id, call.name, call.opaque))
        out.extend(ToolArgsDelta(call.index, text) for text in call.pieces)

    def _end_whole(self, out: list[StreamEvent]) -> None:
        for call in self._calls:
            if call.started and not call.ended and is_object(call.arguments):
                call.ended = True
                out.append(ToolCallEnded(call.index))
