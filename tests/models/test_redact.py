"""No credential survives redaction, and ordinary text does."""

import string
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.redact import HIDDEN, redact

SECRET_CHARS = string.ascii_letters + string.digits + "-_"
SECRETS = st.text(SECRET_CHARS, min_size=20, max_size=64).map(lambda s: "q7" + s + "z9")
PROSE = st.text(string.ascii_lowercase + " .\n", max_size=40)
CARRIERS = st.sampled_from(
    [
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "'Authorization': 'Bearer {}'",
        '{{"authorization": "Basic {}"}}',
        "sent with bearer {}",
        "Authorization: {}",
        "Incorrect API key provided: sk-{}.",
        "sk-ant-api03-{}",
        "key sk-or-v1-{} is disabled",
        "gsk_A1b2C3{}",
        "AIza{}",
        "https://generativelanguage.googleapis.com/v1beta/models?key={}&alt=sse",
        "https://host/v1?a=b&api_key={}",
        "https://host/v1?access_token={}#end",
        "x-api-key: {}",
        "x-goog-api-key: {}",
        "x-portkey-api-key={}",
        "x-portkey-virtual-key: {}",
        '{{"api_key": "{}", "model": "m"}}',
        "{{'apiKey': '{}'}}",
        "ANTHROPIC_API_KEY={}",
        "client_secret = {}",
        "password: {}",
        "Cookie: session={}; theme=dark",
        "set-cookie: id={}; Path=/; HttpOnly",
        "postgresql://user:{}@db.example/headstart",
        "redis://:{}@127.0.0.1:6379/0",
        "hf_{}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx{}.c2lnbmF0dXJl",
    ]
)


@given(SECRETS, CARRIERS, PROSE, PROSE)
def test_no_secret_survives(secret: str, carrier: str, before: str, after: str) -> None:
    text = redact(f"{before} {carrier.format(secret)} {after}")
    assert secret not in text
    assert HIDDEN in text


@given(SECRETS, CARRIERS, PROSE)
def test_redacting_twice_changes_nothing_more(secret: str, carrier: str, before: str) -> None:
    once = redact(before + " " + carrier.format(secret))
    assert redact(once) == once


@given(PROSE)
def test_prose_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "max_tokens=100 is more than this model's 64 tokens",
        "Unknown key: 'temprature' in [server], line 4",
        "https://api.anthropic.com/v1/messages answered 529 after 1.2 s",
        "the skeleton of task-42 asks for a token count",
        "`temperature` is deprecated for this model.",
        "secret ingredients and basic facts",
    ],
)
def test_ordinary_errors_keep_their_words(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert (
        redact('401 from https://u:p@h/v1?key=abc&alt=sse: {"api_key": "x y", "code": 3}')
        == f'401 from https://{HIDDEN}@h/v1?key={HIDDEN}&alt=sse: {{"api_key": "{HIDDEN}", "code": 3}}'
    )


@pytest.mark.parametrize(
    "piece", ["a.", "a://", 'password="', "password= ", "cookie", "eyJ", '"', "sk-"]
)
def test_a_hostile_text_takes_no_long_time(piece: str) -> None:
    started = perf_counter()
    redact(piece * 20_000)
    assert perf_counter() - started < 2.0  # a quadratic rule takes over a minute
