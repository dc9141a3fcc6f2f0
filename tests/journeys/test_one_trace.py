"""One request through the whole server is one trace, in the client's own trace if it has one."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.faults import Fault
from tests.fakes.fleet import claude, deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.fakes.telemetry import RecordedTelemetry
from tests.serving.live import headstart

pytestmark = pytest.mark.anyio
_ANSWER = "The Rhine rises in the Alps. It flows through six countries before it reaches the sea."
_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_QUESTION = {
    "model": "auto",
    "stream": True,
    "messages": [{"role": "user", "content": "Tell me about the Rhine."}],
    "headstart": {"threshold": 1.0},
}


async def test_request_classifier_and_legs_with_tokens_cost_and_reason() -> None:
    recorded = RecordedTelemetry()
    broken = Turn(answer=_ANSWER, fault=Fault(kind="cut", at=50))
    async with (
        hosted(fast=engine(_ANSWER), deepseek=deepseek(broken), anthropic=claude(_ANSWER)) as fleet,
        headstart(fleet.settings, recorded.telemetry) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        reply = await client.post(
            "/v1/chat/completions", json=_QUESTION, headers={"traceparent": _PARENT}
        )
    assert reply.status_code == 200
    by_name = {str(span.name): span for span in recorded.spans}
    assert len(recorded.spans) == len(by_name) == 5
    request = by_name["chat auto"].get_span_context()
    assert request is not None
    assert f"{request.trace_id:032x}" in _PARENT
    for name in ("classify", "chat fast-model", "chat deepseek-v4-pro", "chat claude-sonnet-5-5"):
        parent = by_name[name].parent
        assert parent is not None
        assert (parent.trace_id, parent.span_id) == (request.trace_id, request.span_id)
    last = dict(by_name["chat claude-sonnet-5-5"].attributes or {})
    assert last["headstart.leg.opened_because"] == "provider_stream_broken"
    assert last["gen_ai.provider.name"] == "anthropic"
    assert float(str(last["gen_ai.usage.output_tokens"])) > 0
    assert float(str(last["headstart.cost_usd"])) > 0
    assert dict(by_name["chat deepseek-v4-pro"].attributes or {})["error.type"]
