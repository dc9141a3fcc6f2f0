"""Server-sent events, read the way the WHATWG says, from bytes that may be cut anywhere.

The work per read is a few whole-buffer searches: an event costs one `split` slice, never a loop
over characters.
"""

from __future__ import annotations

import msgspec

from models.errors import BadReply

MAX_EVENT_BYTES = 32 * 1024 * 1024  # an inlined image is a few MiB; beyond this it is no event
_BOM = b"\xef\xbb\xbf"
_LF = 10


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `event` is `message` where the stream gave no name; `data` may be empty."""

    event: str
    data: bytes


class SseReader:
    """Collects bytes into events. `comments` counts the comment lines (keep-alives) seen so far."""

    __slots__ = ("_after_cr", "_at_start", "_held", "_max_event", "comments")

    def __init__(self, max_event: int = MAX_EVENT_BYTES) -> None:
        """Refuse events of more than `max_event` bytes."""
        self.comments = 0
        self._max_event = max_event
        self._held = bytearray()  # the unfinished event, line ends already LF
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Events that these bytes complete. Raises `BadReply` when one is too large."""
        if self._at_start:
            data = self._skip_bom(data)
        if not data:
            return []
        if self._after_cr or b"\r" in data:
            data = self._only_lf(data)
            if not data:
                return []
        held = self._held
        if held:
            closes = data[0] == _LF and held[-1] == _LF
            if not closes and b"\n\n" not in data:
                self._hold(data)
                return []
            data = bytes(held) + data
            held.clear()
        *blocks, rest = data.split(b"\n\n")
        events = self._parse(blocks)
        if rest:
            self._hold(rest)
        return events

    def close(self) -> list[ServerSentEvent]:
        """The stream ended: what stands in the buffer, for hosts that omit the last blank line.

        A cut-off event comes out cut off; its data will not parse.
        """
        rest = bytes(self._held)
        self._held.clear()
        return self._parse([rest])

    def _parse(self, blocks: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(ServerSentEvent("message", block[6:]))
            elif block and (event := self._parse_lines(block)) is not None:
                events.append(event)
        return events

    def _parse_lines(self, block: bytes) -> ServerSentEvent | None:
        name = "message"
        data: list[bytes] = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if value.startswith(b" "):
                value = value[1:]
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value.decode("utf-8", "replace") or "message"
            elif not field and line:
                self.comments += 1
        return ServerSentEvent(name, b"\n".join(data)) if data else None

    def _hold(self, data: bytes) -> None:
        """Keep the start of an unfinished event; count its leading comments at once."""
        if not self._held:
            # A keep-alive without a blank line after it must not wait for the next event.
            data = data.lstrip(b"\n")
            while data.startswith(b":") and (end := data.find(b"\n")) >= 0:
                self.comments += 1
                data = data[end + 1 :]
        self._held += data
        if len(self._held) > self._max_event:
            self._held.clear()
            raise BadReply(f"An event of the stream is larger than {self._max_event} bytes.")

    def _skip_bom(self, data: bytes) -> bytes:
        data = bytes(self._held) + data
        self._held.clear()
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._held += data
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _only_lf(self, data: bytes) -> bytes:
        """Make CR and CRLF into LF; a CR that ends a read ends its line without waiting for LF."""
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
