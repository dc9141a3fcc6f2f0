"""What a client said for one provider only: merged over the body that we made."""

from __future__ import annotations

from typing import cast

from models.card import ModelCard
from models.chat import ChatRequest, Json


def with_provider_options(
    body: dict[str, Json], request: ChatRequest, card: ModelCard
) -> dict[str, Json]:
    """`body` with the request's `provider_options` for the card's provider laid over it.

    Objects are merged key by key, so that one setting of `generationConfig` does not remove the
    others; everything else replaces what stood there, untouched.
    """
    return _merged(body, request.headstart.provider_options.get(card.provider, {}))


def _merged(base: dict[str, Json], over: dict[str, Json]) -> dict[str, Json]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(cast("dict[str, Json]", old), cast("dict[str, Json]", value))
        result[key] = value
    return result
