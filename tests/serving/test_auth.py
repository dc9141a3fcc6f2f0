"""Client keys, and what may be done without any."""

import pytest
from inline_snapshot import snapshot

from models.errors import ConfigError
from serving.auth import refuse_exposure
from tests.serving.fake_router import FakeRouter, said
from tests.serving.live import http, live_edge

pytestmark = pytest.mark.anyio

BODY = {"messages": [{"role": "user", "content": "Hi"}]}
KEYS = {"laptop": "hs-key-one", "phone": "hs-key-two"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer hs-key-two"},
        {"authorization": "bearer  hs-key-two"},
        {"x-api-key": "hs-key-two"},
    ],
)
async def test_a_key_lets_in_and_names_the_client(headers: dict[str, str]) -> None:
    router = FakeRouter(said("Hi"))
    async with live_edge(router, client_keys=KEYS) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json=BODY, headers=headers)

    assert reply.status_code == 200
    assert router.clients == ["phone"]


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "A client key is needed: send `Authorization: Bearer …` or `x-api-key`."),
        ({"authorization": "Bearer hs-key"}, "This client key is not known here."),
        ({"authorization": "Basic hs-key-one"}, "A client key is needed"),
        ({"x-api-key": "hs-key-öne"}, "This client key is not known here."),
    ],
)
async def test_without_a_known_key_nothing_is_asked(headers: dict[str, str], sentence: str) -> None:
    router = FakeRouter(said("Hi"))
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with live_edge(router, client_keys=KEYS) as url, http(url) as client:
        replies = [
            await client.post("/v1/chat/completions", json=BODY, headers=encoded),
            await client.get("/v1/models", headers=encoded),
            await client.get("/metrics", headers=encoded),
            await client.get("/nowhere", headers=encoded),
        ]

    assert [reply.status_code for reply in replies] == [401] * 4
    assert replies[0].json()["error"]["message"].startswith(sentence)
    assert replies[0].json()["error"]["code"] == "invalid_api_key"
    assert router.requests == []


async def test_probes_need_no_key() -> None:
    async with live_edge(FakeRouter(), client_keys=KEYS) as url, http(url) as client:
        statuses = [(await client.get(path)).status_code for path in ("/health", "/ready", "/")]
    assert statuses == [200, 200, 200]


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.test", 403), ("null", 403), ("http://localhost:3000", 200), ("", 200)],
)
async def test_without_keys_only_local_pages_may_call(origin: str, status: int) -> None:
    headers = {"origin": origin} if origin else {}
    async with live_edge(FakeRouter(said("Hi"))) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json=BODY, headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    refuse_exposure(host, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gpu-box"])
def test_the_network_needs_keys(host: str) -> None:
    refuse_exposure(host, KEYS)
    with pytest.raises(ConfigError):
        refuse_exposure(host, {})


def test_the_refusal_says_the_way_out() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_exposure("0.0.0.0", {})
    assert caught.value.message == snapshot(
        'Refusing to listen on 0.0.0.0 without client keys: anyone who reaches it could spend your money. Add one to headstart.toml, `[server.client_keys]` then `laptop = "…"`, or listen on 127.0.0.1.'
    )
