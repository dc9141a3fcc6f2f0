"""JSON as we write it: money stays exact, as a number."""

from __future__ import annotations

from typing import Final

import msgspec

encode: Final = msgspec.json.Encoder(decimal_format="number").encode
