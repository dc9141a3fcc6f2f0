"""The chunks of a stream: server-sent events, or the JSON array that comes without `alt=sse`."""

from __future__ import annotations

import re

from models.errors import BadReply
from router.providers.sse import MAX_EVENT_BYTES, SseReader

_OUTSIDE_STRING = re.compile(rb'["{}]')
_INSIDE_STRING = re.compile(rb'["\\]')


class ChunkReader:
    """Cuts bytes that may end anywhere into whole JSON objects, whichever way they are framed."""

    def __init__(self) -> None:
        """The first byte that is not white space decides."""
        self._head = b""
        self._sse = SseReader()
        self._array: ArrayReader | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete. Raises `BadReply` when one is too large."""
        if self._head.isspace() or not self._head:
            self._head = data = self._head + data
            if data.lstrip()[:1] in (b"[", b"{"):
                self._array = ArrayReader()
        if self._array is not None:
            return self._array.feed(data)
        return [event.data for event in self._sse.feed(data)]

    def close(self) -> list[bytes]:
        """What stands in the buffer at the end; it may be cut off."""
        return [] if self._array is not None else [event.data for event in self._sse.close()]


class ArrayReader:
    """Finds the objects of a JSON array as they arrive.

    Only braces and strings matter: whatever stands between two objects is punctuation.
    """

    def __init__(self) -> None:
        """Nothing read yet."""
        self._held = bytearray()
        self._at: int = 0  # how far `_held` has been looked at
        self._start = 0  # of the object that is open
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete."""
        self._held += data
        objects: list[bytes] = []
        while (found := self._next()) is not None:
            if found > 0:
                objects.append(bytes(self._held[self._start : found]))
        kept = self._start if self._depth else min(self._at, len(self._held))
        del self._held[:kept]
        self._at -= kept
        self._start = 0
        if len(self._held) > MAX_EVENT_BYTES:
            raise BadReply(f"A chunk of the stream is larger than {MAX_EVENT_BYTES} bytes.")
        return objects

    def _next(self) -> int | None:
        """Step over one brace, quote or escape: the end of an object, 0, or None at the end."""
        pattern = _INSIDE_STRING if self._in_string else _OUTSIDE_STRING
        match = pattern.search(self._held, self._at)
        if match is None:
            # An escape that ends a read has already moved past the end.
            self._at = max(self._at, len(self._held))
            return None
        self._at = match.end()
        byte = match.group()
        if byte == b"\\":
            self._at += 1
        elif byte == b'"':
            self._in_string = not self._in_string
        elif byte == b"{":
            if self._depth == 0:
                self._start = match.start()
            self._depth += 1
        elif self._depth > 0:
            self._depth -= 1
            return self._at if self._depth == 0 else 0
        return 0
