"""What a client said for one provider only: merged over the body that we made."""

from __future__ import annotations

from typing import cast

from models.card import ModelCard
from models.chat import ChatRequest, Json


def with_provider_options(
    body: dict[str, Json], request: ChatRequest, card: ModelCard
) -> dict[str, Json]:
    """`body` with the request's `provider_options` for the card's provider laid over it.

    An object is merged into ours key by key, so that one setting of `generationConfig` does not
    remove the others. What has a `type` is one of several shapes and replaces ours whole, as does
    everything deeper: half of our thinking settings beside half of the client's would be refused.
    """
    result = dict(body)
    for key, value in request.headstart.provider_options.get(card.provider, {}).items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and "type" not in value:
            value = {**cast("dict[str, Json]", old), **cast("dict[str, Json]", value)}
        result[key] = value
    return result
