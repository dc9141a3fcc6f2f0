"""Client keys, and what may be done without any."""

import pytest
from inline_snapshot import snapshot

from models.chat import Merge
from models.errors import ConfigError
from serving.auth import ClientKey, refuse_exposure
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
    [
        ("https://evil.test", 403),
        ("null", 403),
        ("http://[", 403),
        ("http://localhost:3000", 200),
        ("", 200),
    ],
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


@pytest.mark.parametrize(
    ("origin", "keys", "allowed"),
    [
        ("http://localhost:3000", {}, "http://localhost:3000"),
        ("https://chat.example", {}, None),
        ("http://[", {}, None),
        ("https://chat.example", KEYS, "https://chat.example"),
    ],
)
async def test_browsers_are_told_which_pages_may_call(
    origin: str, keys: dict[str, str], allowed: str | None
) -> None:
    preflight = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-stainless-lang",
    }
    shown = {"origin": origin, "authorization": "Bearer hs-key-one"}
    async with (
        live_edge(FakeRouter(said("Hi")), client_keys=keys) as url,
        http(url) as client,
    ):
        asked = await client.options("/v1/chat/completions", headers=preflight)
        reply = await client.post("/v1/chat/completions", json=BODY, headers=shown)

    assert [r.headers.get("access-control-allow-origin") for r in (asked, reply)] == [allowed] * 2
    assert asked.is_success is reply.is_success is (allowed is not None)
    if allowed:
        assert "x-stainless-lang" in asked.headers["access-control-allow-headers"]
        assert "x-headstart-route" in reply.headers["access-control-expose-headers"]


async def test_a_page_can_read_why_its_key_was_refused() -> None:
    async with live_edge(FakeRouter(), client_keys=KEYS) as url, http(url) as client:
        reply = await client.get("/v1/models", headers={"origin": "https://chat.example"})
    assert reply.status_code == 401
    assert reply.headers["access-control-allow-origin"] == "https://chat.example"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
@pytest.mark.parametrize(
    ("of_the_key", "of_the_request", "merge"),
    [
        ("thinking", None, "thinking"),
        ("revise", None, "revise"),
        ("thinking", "hold", "hold"),
        (None, "hold", "hold"),
        (None, None, None),
    ],
)
async def test_a_key_says_how_answers_merge_where_the_request_does_not(
    path: str, of_the_key: Merge | None, of_the_request: Merge | None, merge: Merge | None
) -> None:
    router = FakeRouter(said("Hi"))
    keys = {"laptop": "hs-key-one", "phone": ClientKey(key="hs-key-two", merge=of_the_key)}
    body = BODY | {"headstart": {"merge": of_the_request, "threshold": 0.3}}
    async with live_edge(router, client_keys=keys) as url, http(url) as client:
        reply = await client.post(path, json=body, headers={"x-api-key": "hs-key-two"})

    assert reply.status_code == 200
    [asked] = router.requests
    assert (asked.headstart.merge, asked.headstart.threshold) == (merge, 0.3)


async def test_the_merge_of_another_key_is_not_taken() -> None:
    router = FakeRouter(said("Hi"))
    keys = {"laptop": "hs-key-one", "phone": ClientKey(key="hs-key-two", merge="revise")}
    async with live_edge(router, client_keys=keys) as url, http(url) as client:
        await client.post("/v1/chat/completions", json=BODY, headers={"x-api-key": "hs-key-one"})
    assert router.requests[0].headstart.merge is None


def test_a_key_is_not_in_its_repr() -> None:
    assert "hs-key" not in repr(ClientKey(key="hs-key-one", merge="hold"))
