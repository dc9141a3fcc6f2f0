"""Drafts are asked for, graded and put in a table as the bench reads it."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from classifier.embedding import WHOLE, Window
from scripts.training.drafts import kept
from scripts.training.drafts import main as collect
from scripts.training.questions import Question, f1, number, questions, same
from scripts.training.sandbox import passes

Listed: TypeAlias = list[tuple[str, float]]

GSM = "20 + 30 = <<20+30=50>>50 hours.\n#### 1,250"
ROWS = [
    {"benchmark": "trivia_qa", "prompt": "Capital of France?", "answer": "paris", "choices": None},
    {
        "benchmark": "arc_challenge",
        "prompt": "Where do fish live?",
        "answer": "2",
        "choices": "{'text': ['sand', 'water'], 'label': ['1', '2']}",
    },
    {"benchmark": "gsm8k", "prompt": "How much?", "answer": GSM, "choices": None},
    {
        "benchmark": "mbpp",
        "prompt": "Write a function that doubles.",
        "answer": "['assert f(2) == 4', 'assert f(0) == 0']",
        "choices": "['assert f(2) == 4', 'assert f(0) == 0']",
    },
    {
        "benchmark": "human_eval",
        "prompt": "import math\n\ndef g(x):\n    '''One more.'''\n",
        "answer": "def check(c):\n    assert c(1) == 2\n",
        "choices": None,
    },
    {"benchmark": "gpqa", "prompt": "Left out", "answer": "A", "choices": "['x', 'y']"},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "qwen7b_outcomes_train.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def by_benchmark(data: Path) -> dict[str, Question]:
    return {question.benchmark: question for question in questions(data)}


def test_only_what_can_be_checked_is_asked(by_benchmark: dict[str, Question]) -> None:
    assert set(by_benchmark) == {row["benchmark"] for row in ROWS} - {"gpqa"}


def test_word_problems_without_an_answer_are_asked_where_gsm8k_has_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = "How many ducks?", "How many geese?"
    prompts = (known, unknown, "How  much?")  # the last is among the answered ones
    rows = [{"benchmark": "gsm8k", "prompt": prompt, "weak": True} for prompt in prompts]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (data / "routellm_outcomes_train.jsonl").write_text(lines, encoding="utf-8")
    answers = data / "answers.json"
    digests = [hashlib.sha256(prompt.encode()).hexdigest() for prompt in (known, prompts[2])]
    answers.write_text(json.dumps(dict.fromkeys(digests, 18)))
    monkeypatch.setattr("scripts.training.questions.ANSWERS", answers)
    (added,) = [question for question in questions(data) if question.answer == "18"]
    assert added.prompt == known
    assert added.right("def solve():\n    return 18")
    assert not added.right("def solve():\n    return 17")


@pytest.mark.parametrize(
    ("benchmark", "reply", "right"),
    [
        ("trivia_qa", "The capital is Paris.", True),
        ("trivia_qa", "Parish", False),
        ("arc_challenge", "B. water", True),
        ("arc_challenge", "B", True),
        ("arc_challenge", "In water", True),
        ("arc_challenge", "A. sand", False),
        ("arc_challenge", "sand or water", False),
        ("arc_challenge", "", False),
        ("gsm8k", "```python\ndef solve():\n    return 1250.0\n```", True),
        ("gsm8k", "def solve():\n    return '1250'", True),
        ("gsm8k", "def solve():\n    return 125", False),
        ("gsm8k", "It is 1250.", False),
        ("mbpp", "```python\ndef f(x):\n    return 2 * x\n```", True),
        ("mbpp", "def f(x):\n    return 2 * x", True),
        ("mbpp", "```python\ndef f(x):\n    return x + 2\n```", False),
        ("mbpp", "Sure, here is how", False),
        ("mbpp", "```python\ndef f(x):\n    return 2 * x\n\n# Check it\nassert f(1) ==", True),
        ("mbpp", "```python\ndef f(x):\n    return 2 *", False),
        ("human_eval", "```python\ndef g(x):\n    return x + 1\n```", True),
        ("human_eval", "    return x + 1", True),
        ("human_eval", "    return x", False),
    ],
)
def test_replies_are_graded(
    by_benchmark: dict[str, Question], benchmark: str, reply: str, right: bool
) -> None:
    assert by_benchmark[benchmark].right(reply) is right


def test_a_draft_cut_inside_its_function_is_left_out(by_benchmark: dict[str, Question]) -> None:
    program, trivia = by_benchmark["mbpp"], by_benchmark["trivia_qa"]
    assert program.cut_inside("```python\ndef f(x):\n    return 2")
    assert not program.cut_inside("```python\ndef f(x):\n    return 2\nassert f(")
    assert not trivia.cut_inside(" Paris is")


def test_choices_come_by_letter_and_programs_with_a_test(
    by_benchmark: dict[str, Question],
) -> None:
    assert by_benchmark["arc_challenge"].asked == "Where do fish live?\nA. sand\nB. water"
    assert by_benchmark["arc_challenge"].messages[-2]["content"] == "D. in water"
    assert "assert f(2) == 4" in by_benchmark["mbpp"].asked
    assert "assert f(0) == 0" not in by_benchmark["mbpp"].asked


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("so \\boxed{\\frac{1}{2}}", 0.5),
        ("\\boxed{-\\dfrac{3}{4}}", -0.75),
        ("\\boxed{3} then \\boxed{4\\text{ cm}}", 4.0),
        ("\\boxed{\\$1,250}", 1250.0),
        ("\\boxed{30^\\circ}", 30.0),
        ("7 * 2\n#### 14", 14.0),
        ("28", 28.0),
        ("\\boxed{x + 1}", None),
        ("\\boxed{(1, 2)}", None),
        ("\\boxed{2\\sqrt{3}}", None),
    ],
)
def test_the_final_result_of_a_worked_answer(answer: str, found: float | None) -> None:
    assert number(answer) == found


def test_likeness_of_replies() -> None:
    assert f1("the cat sat", "cat sat") == 1.0
    assert f1("dog", "cat") == 0.0
    assert same("Paris", "Paris is the capital") == 1.0
    assert same("", "x") == 0.0


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(3)",
        "while True: pass",
        "x = bytearray(10**10)",
        "with open('f', 'w') as f: f.write('x')",
    ],
    ids=["fails", "never ends", "takes too much memory", "writes"],
)
def test_a_program_is_kept_in_bounds(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.training.sandbox.SECONDS", 1)
    assert passes("pass")
    assert not passes(program)


class Oracle(BaseHTTPRequestHandler):
    """Answers chat completions: "Paris." to a question, the first label where it must choose."""

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]]

    def do_GET(self) -> None:
        self._reply({"data": [{"id": "oracle"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        labels = body.get("structured_outputs", {}).get("choice")
        tops = [(label, -0.5 - at) for at, label in enumerate(labels or ("Paris", "Lyon"))]
        end: Listed = []
        said = [(tops[0][0], tops), (".", [(".", -0.1), ("!", -2.0)]), ("<|im_end|>", end)]
        content = [
            {
                "token": token,
                "logprob": top[0][1] if top else -0.01,
                "top_logprobs": [{"token": t, "logprob": chance} for t, chance in top],
            }
            for token, top in said
        ]
        choice = {
            "message": {"content": tops[0][0] + "."},
            "finish_reason": "stop",
            "logprobs": {"content": content} if body.get("logprobs") else None,
        }
        self._reply({"choices": [choice] * body.get("n", 1)})

    def _reply(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def oracle() -> Generator[tuple[str, list[dict[str, Any]]]]:
    asked: list[dict[str, Any]] = []
    handler = type("Handler", (Oracle,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        server.shutdown()
        serving.join()


def test_collecting_goes_on_where_it_stopped(data: Path) -> None:
    out = data / "out" / "drafts.jsonl"
    with oracle() as (url, asked):
        options = ["--data", str(data), "--url", url, "--out", str(out)]
        collect([*options, "--limit", "2"])
        assert len(kept(out)) == 2
        with out.open("a", encoding="utf-8") as file:
            file.write('{"key": "cut o')
        first = len(asked)
        collect(options)
        again = Counter(json.dumps(body["messages"]) for body in asked[first:])
    lines = kept(out)
    assert Counter(line["benchmark"] for line in lines) == Counter(
        row["benchmark"] for row in ROWS if row["benchmark"] != "gpqa"
    )
    assert len(again) < sum(again.values())  # only what was missing, each asked several times
    trivia = next(line for line in lines if line["benchmark"] == "trivia_qa")
    assert trivia["right"]
    assert trivia["tokens"][0] == ["Paris", -0.5, [["Paris", -0.5], ["Lyon", -1.5]]]
    assert trivia["samples"] == ["Paris.", "Paris."]
    assert trivia["yes"] == {"Yes": -0.5, "No": -1.5}
    assert not any("prompt" in line for line in lines)


def test_dear_signals_only_for_a_share(data: Path) -> None:
    out = data / "cheap.jsonl"
    with oracle() as (url, asked):
        collect(["--data", str(data), "--url", url, "--out", str(out), "--dear", "0"])
    assert len(asked) == len(kept(out)) == 5
    assert not any("samples" in line for line in kept(out))


class FlatEncoder:
    """The same direction for every text."""

    def encode(self, texts: Sequence[str], window: Window = WHOLE) -> NDArray[np.float32]:
        return np.full((len(texts), 384), 384**-0.5, np.float32)


def test_a_table_has_what_the_bench_reads(data: Path) -> None:
    pytest.importorskip("sklearn", reason="the train group is not installed")
    from scripts.bench.routing_draft import Drafts
    from scripts.training import draft_table

    out = data / "drafts.jsonl"
    with oracle() as (url, _):
        collect(["--data", str(data), "--url", url, "--out", str(out)])
    known = {question.key: question for question in questions(data)}
    rows = [draft_table.row_of(known[line["key"]], line) for line in kept(out)]
    prompts = draft_table.prompt_only(rows, FlatEncoder())
    draft_table.save(data / "table.npz", rows, prompts, "oracle")
    read = Drafts.read(data / "table.npz")
    assert read.model == "oracle"
    at = list(read.benchmarks).index("trivia_qa")
    assert read.right[at]
    assert read.columns["mean"][at] == pytest.approx(-0.3, abs=1e-3)  # without the end mark
    assert read.columns["p_true"][at] == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(read.columns["choice_gap"][at])


def test_new_drafts_join_an_earlier_table(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the train group is not installed")
    from scripts.bench.routing_draft import Drafts
    from scripts.training import draft_table

    monkeypatch.setattr(draft_table, "MiniLmEncoder", FlatEncoder)
    first, second, table = data / "first.jsonl", data / "second.jsonl", data / "table.npz"
    make = ["--data", str(data), "--model", "oracle", "--out", str(table)]
    with oracle() as (url, asked):
        options = ["--data", str(data), "--url", url, "--dear", "0"]
        collect([*options, "--out", str(first), "--benchmarks", "trivia_qa,gsm8k"])
        draft_table.main([*make, "--drafts", str(first)])
        was = Drafts.read(table)
        collect([*options, "--out", str(second), "--known", str(table)])
    assert len(asked) == 5  # none of them twice
    draft_table.main([*make, "--table", str(table), "--drafts", str(second)])
    read = Drafts.read(table)
    assert len(read.right) == 5
    for name in was.benchmarks:
        before, now = (list(drafts.benchmarks).index(name) for drafts in (was, read))
        assert read.columns["mean"][now] == was.columns["mean"][before]
        assert read.right[now] == was.right[before]
