"""Settings from file and environment; what is wrong is named with its place."""

import math
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from classifier.assessment import TASKS
from models.chat import Merge
from models.errors import ConfigError
from router.gate import Bar
from serving.settings import Settings
from serving.settings_file import line_of, load_settings

FILE = """\
# A comment with a = sign
[server]
port = 9000

[deep]
order = [
    "deepseek/deepseek-v4-pro",
    "a/b = c",
]
tasks.code = ["anthropic/claude-sonnet-5-5"]

[models."my/model.1"]
window = 8192

[providers.myhost]
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("headstart.toml")
    path.write_text(text)
    return path


def complaint(text: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(text))
    return caught.value.message


def test_defaults_need_no_file() -> None:
    assert load_settings().server.port == 8000


def test_the_file_in_the_folder_is_found() -> None:
    write(FILE)
    settings = load_settings()

    assert settings.server.port == 9000
    assert settings.models["my/model.1"].window == 8192
    assert settings.deep.tasks == {"code": ["anthropic/claude-sonnet-5-5"]}


def test_the_environment_wins_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART__SERVER__PORT", "9001")
    monkeypatch.setenv("HEADSTART__DEEP__ORDER", '["x/y"]')
    monkeypatch.setenv("HEADSTART__PROVIDERS__MYHOST__API_KEY_ENV", "MY_KEY")
    settings = load_settings(write(FILE))

    assert settings.server.port == 9001
    assert settings.deep.order == ["x/y"]
    assert settings.deep.tasks == {"code": ["anthropic/claude-sonnet-5-5"]}
    assert settings.providers["myhost"].api_key_env == "MY_KEY"
    assert settings.providers["myhost"].base_url == "http://127.0.0.1:1/v1"


def test_what_is_wrong_in_the_file_is_named_with_its_line() -> None:
    assert [
        complaint("[classifier]\n\ntreshold = 0.5"),
        complaint("[clasifier]\nthreshold = 0.5"),
        complaint('[providers.x]\nbase_ulr = "http://x"'),
        complaint('[models."a/b"]\nwidth = 1'),
        complaint('[server]\nport = "many"'),
        complaint("[server]\nport = 70000"),
        complaint('[relay]\nmerge = "glue"'),
        complaint("[classifier]\nthreshold = 2"),
        complaint('[deep]\norder = ["claude"]'),
        complaint('[deep.tasks]\npoetry = ["a/b"]'),
        complaint("server = 5"),
        complaint("[server\nport = 1"),
    ] == snapshot(
        [
            "Unknown key `treshold` in [classifier], line 3 of headstart.toml: did you mean `threshold`?",
            "Unknown key `clasifier`, line 1 of headstart.toml: did you mean `classifier`?",
            "Unknown key `base_ulr` in [providers.x], line 2 of headstart.toml: did you mean `base_url`?",
            "Unknown key `width` in [models.a/b], line 2 of headstart.toml.",
            "Wrong value of `port` in [server], line 2 of headstart.toml: Input should be a valid integer, unable to parse string as an integer",
            "Wrong value of `port` in [server], line 2 of headstart.toml: Input should be less than or equal to 65535",
            "Wrong value of `merge` in [relay], line 2 of headstart.toml: Input should be 'continue', 'thinking', 'revise' or 'hold'",
            "Wrong value of `threshold` in [classifier], line 2 of headstart.toml: Input should be less than or equal to 1",
            "Wrong value of `order` in [deep], line 2 of headstart.toml: `claude` must be written as provider/model",
            "Wrong value of `poetry` in [deep.tasks], line 2 of headstart.toml: `poetry` is not a task; the tasks are chat, knowledge, code, math_reasoning, extraction, classification, summarise_rewrite, creative, translation, multimodal",
            "Wrong value of `server`, line 1 of headstart.toml: it is a table, [server]",
            "headstart.toml is not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 8).",
        ]
    )


def test_what_is_wrong_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("HEADSTART__SERVER__PORT", "many")
        assert complaint("[server]\nport = 1") == snapshot(
            "Wrong value of `port` in [server], environment variable HEADSTART__SERVER__PORT: Input should be a valid integer, unable to parse string as an integer"
        )
    with monkeypatch.context() as context:
        context.setenv("HEADSTART__SERVER__PROT", "1")
        assert complaint() == snapshot(
            "Unknown key `prot` in [server], environment variable HEADSTART__SERVER__PROT: did you mean `port`?"
        )
    with monkeypatch.context() as context:
        context.setenv("HEADSTART__SERVR__PORT", "1")
        assert complaint() == snapshot(
            "Unknown environment variable HEADSTART__SERVR__PORT: did you mean HEADSTART__SERVER__…?"
        )
    with monkeypatch.context() as context:
        context.setenv("HEADSTART__DEEP__ORDER", "a/b")
        assert complaint() == snapshot(
            "A list or table in HEADSTART__DEEP__… is not written as JSON; right is, for example, HEADSTART__DEEP__ORDER='[\"deepseek/deepseek-v4-pro\"]'."
        )


def shown_keys(settings: Settings) -> dict[str, tuple[str, Merge | None]]:
    keys = settings.server.client_keys
    return {name: (entry.key.get_secret_value(), entry.merge) for name, entry in keys.items()}


def test_a_client_key_is_a_string_or_a_table() -> None:
    file = write(
        '[server.client_keys]\nalice = "hs-one"\nbob = { key = "hs-two", merge = "thinking" }\n'
        '[server.client_keys.carol]\nkey = "hs-three"\nmerge = "revise"'
    )
    settings = load_settings(file)

    assert shown_keys(settings) == {
        "alice": ("hs-one", None),
        "bob": ("hs-two", "thinking"),
        "carol": ("hs-three", "revise"),
    }
    assert "hs-" not in repr(settings)


def test_client_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "HEADSTART__SERVER__CLIENT_KEYS__"
    monkeypatch.setenv(f"{prefix}ALICE", "hs-one")
    monkeypatch.setenv(f"{prefix}BOB", '{"key": "hs-two", "merge": "thinking"}')
    monkeypatch.setenv(f"{prefix}CAROL__KEY", "hs-three")
    monkeypatch.setenv(f"{prefix}CAROL__MERGE", "revise")
    monkeypatch.setenv(f"{prefix}DAVE__MERGE", "hold")  # his key is in the file
    monkeypatch.setenv(f"{prefix}ERIN", "0123")
    monkeypatch.setenv(f"{prefix}FRANK", "1234")
    file = write('[server.client_keys]\nalice = "old"\ndave = { key = "hs-four" }')

    assert shown_keys(load_settings(file)) == {
        "alice": ("hs-one", None),
        "bob": ("hs-two", "thinking"),
        "carol": ("hs-three", "revise"),
        "dave": ("hs-four", "hold"),
        "erin": ("0123", None),
        "frank": ("1234", None),
    }


def test_a_wrong_client_key_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints = [
        complaint('[server]\nclient_keys = ["sk-secret"]'),
        complaint('[server.client_keys]\nbob = ["sk-secret"]'),
        complaint('[server.client_keys]\nbob = ""'),
        complaint('[server.client_keys]\nbob = { key = "sk-secret", merg = "hold" }'),
        complaint('[server.client_keys]\nbob = { key = "sk-secret", merge = "glue" }'),
        complaint('[server.client_keys]\nbob = { merge = "hold" }'),
    ]
    monkeypatch.setenv("HEADSTART__SERVER__CLIENT_KEYS__BOB", '{ key = "sk-secret" }')
    complaints.append(complaint())

    assert not [sentence for sentence in complaints if "sk-secret" in sentence]
    assert complaints == snapshot(
        [
            "Wrong value of `client_keys` in [server], line 2 of headstart.toml: Input should be a valid dictionary",
            "Wrong value of `bob` in [server.client_keys], line 2 of headstart.toml: it is a table, [server.client_keys.bob]",
            "Wrong value of `key` in [server.client_keys.bob], line 2 of headstart.toml: Value should have at least 1 item after validation, not 0",
            "Unknown key `merg` in [server.client_keys.bob], line 2 of headstart.toml: did you mean `merge`?",
            "Wrong value of `merge` in [server.client_keys.bob], line 2 of headstart.toml: Input should be 'continue', 'thinking', 'revise' or 'hold'",
            "Wrong value of `key` in [server.client_keys.bob], line 2 of headstart.toml: Field required",
            'Wrong value of `bob` in [server.client_keys], environment variable HEADSTART__SERVER__CLIENT_KEYS__BOB: a table is written as JSON there: {"key": "…", "merge": "thinking"}',
        ]
    )


def test_a_file_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ConfigError, match=r"Cannot read other\.toml: No such file"):
        load_settings(Path("other.toml"))


EQUALS = """\
[deep]
order = ["a/one", ["b/two", "c/x/three"]]
[deep.tasks]
code = [["c/x/three", "a/one"]]
[deep.weights]
price = 0
[relay]
min_logprob = -6.0
[relay.tasks.code]
min_mean_logprob = -0.8
[relay.tasks.chat]
min_logprob = -inf
"""


def test_a_list_in_an_order_is_of_equals() -> None:
    deep = load_settings(write(EQUALS)).deep

    assert deep.preferred == ("a/one", ("b/two", "c/x/three"))
    assert deep.preferred_for == {"code": (("c/x/three", "a/one"),)}
    assert (deep.weights.latency, deep.weights.price) == (1.0, 0.0)


def test_equals_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART__DEEP__ORDER", '[["x/y", "x/z"]]')
    assert load_settings().deep.preferred == (("x/y", "x/z"),)


def test_a_task_changes_one_bar_and_keeps_the_other() -> None:
    relay = load_settings(write(EQUALS)).relay

    assert relay.bar == Bar(minimum=-6.0)
    assert relay.bars == {
        "code": Bar(mean=-0.8, minimum=-6.0),
        "chat": Bar(minimum=-math.inf),
    }


def test_wrong_orders_weights_and_bars() -> None:
    assert [
        complaint('[deep]\norder = "a/b"'),
        complaint("[deep]\norder = [5]"),
        complaint('[deep]\norder = ["a/b", []]'),
        complaint('[deep]\norder = ["a/b", ["c/d", "e"]]'),
        complaint('[deep]\norder = [["a/b", ["c/d"]]]'),
        complaint('[deep]\ntasks = ["a/b"]'),
        complaint("[deep.weights]\nprice = -1"),
        complaint("[deep.weights]\nspeed = 1"),
        complaint("[relay]\nmin_logprob = 0.5"),
        complaint("[relay.tasks.coding]\nmin_logprob = -4"),
        complaint("[relay.tasks.code]\nmin_mean = -4"),
        complaint("[relay.tasks.code]\nmin_logprob = 1"),
    ] == snapshot(
        [
            "Wrong value of `order` in [deep], line 2 of headstart.toml: it is a list of names",
            "Wrong value of `order` in [deep], line 2 of headstart.toml: it is a list of names, and of lists of names that are equals",
            "Wrong value of `order` in [deep], line 2 of headstart.toml: an empty list in it names no equals",
            "Wrong value of `order` in [deep], line 2 of headstart.toml: `e` must be written as provider/model",
            "Wrong value of `order` in [deep], line 2 of headstart.toml: it is a list of names, and of lists of names that are equals",
            "Wrong value of `tasks` in [deep], line 2 of headstart.toml: Input should be a valid dictionary",
            "Wrong value of `price` in [deep.weights], line 2 of headstart.toml: Input should be greater than or equal to 0",
            "Unknown key `speed` in [deep.weights], line 2 of headstart.toml.",
            "Wrong value of `min_logprob` in [relay], line 2 of headstart.toml: Input should be less than or equal to 0",
            "Wrong value of `coding` in [relay.tasks], line 1 of headstart.toml: `coding` is not a task; the tasks are chat, knowledge, code, math_reasoning, extraction, classification, summarise_rewrite, creative, translation, multimodal",
            "Unknown key `min_mean` in [relay.tasks.code], line 2 of headstart.toml: did you mean `min_mean_logprob`?",
            "Wrong value of `min_logprob` in [relay.tasks.code], line 2 of headstart.toml: Input should be less than or equal to 0",
        ]
    )


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("server", "port"), 3),
        (("server", "host"), 2),
        (("deep", "order"), 6),
        (("deep", "order", "1"), 6),
        (("deep", "tasks", "code"), 10),
        (("models", "my/model.1", "window"), 13),
        (("relay",), None),
    ],
)
def test_lines(keys: tuple[str, ...], line: int | None) -> None:
    assert line_of(FILE, keys) == line


LEASES = """\
[classifier.tasks.leases]
examples = ["May I sublet?", "Who pays the deposit?", "Is the rent due on the first?"]
"""


def test_a_task_of_ones_own_has_examples_and_perhaps_a_likeness() -> None:
    (leases,) = load_settings(write(LEASES)).classifier.described
    assert (leases.name, len(leases.examples), leases.like) == ("leases", 3, None)
    (leases,) = load_settings(write(f'{LEASES}like = "knowledge"\n')).classifier.described
    assert leases.like == "knowledge"


def test_what_is_set_per_task_may_be_set_for_ones_own() -> None:
    own = (
        "[classifier.thresholds]\nleases = 0.7\n[deep.tasks]\nleases = ['a/b']\n"
        "[relay.tasks.leases]\nmin_logprob = -4\n"
    )
    settings = load_settings(write(own + LEASES))
    assert settings.classifier.thresholds == {"leases": 0.7}
    assert (set(settings.deep.tasks), set(settings.relay.tasks)) == ({"leases"}, {"leases"})
    assert complaint(f"{own}{LEASES}".replace("leases = 0.7", "leaves = 0.7")) == (
        "Wrong value of `leaves` in [classifier.thresholds], line 2 of headstart.toml: `leaves` is "
        f"not a task; the tasks are {', '.join(TASKS)}, leases"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LEASES.replace("May I sublet?", "Who pays the deposit?"), "needs 3 different examples"),
        (LEASES.replace("leases", "code"), "`code` is built in: give your task another name"),
        (LEASES.replace("leases", '"my leases"'), "has letters, digits and _"),
        (f'{LEASES}like = "law"\n', "like"),
    ],
)
def test_a_wrong_task_of_ones_own_is_explained(text: str, told: str) -> None:
    assert told in complaint(text)
