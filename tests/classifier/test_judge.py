"""The judge reads label letters out of whatever an engine lists."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from typing_extensions import override

from classifier import judge_prompts as prompts
from classifier.assessment import TASKS
from classifier.calibrate import Platt, logit
from classifier.judge import ASK_CHARS, Body, JudgeClassifier, JudgeUnclear, label_probabilities
from classifier.judge_scale import JudgeScale
from tests.classifier.asks import IMAGE, request, turn, user

pytestmark = pytest.mark.anyio


def reply(**logprobs: float) -> Body:
    """A chat completion of one token, with these entries in `top_logprobs`."""
    listed = [{"token": token, "logprob": value} for token, value in logprobs.items()]
    best = max(logprobs, key=lambda token: logprobs[token], default="")
    content = [{"token": best, "logprob": logprobs.get(best, 0.0), "top_logprobs": listed}]
    return {"choices": [{"message": {"content": best}, "logprobs": {"content": content}}]}


class FakeEngine:
    """Answers both questions and keeps what it was asked."""

    def __init__(self, task: Body, fast: Body) -> None:
        self.task, self.fast = task, fast
        self.bodies: list[Body] = []

    async def ask(self, body: Body) -> Body:
        self.bodies.append(body)
        return self.task if "A" in body["structured_outputs"]["choice"] else self.fast


def judge(engine: FakeEngine, scale: JudgeScale | None = None) -> JudgeClassifier:
    return JudgeClassifier(engine.ask, model="Qwen/Qwen2.5-3B-Instruct", scale=scale)


async def test_two_questions_of_one_token_each() -> None:
    engine = FakeEngine(reply(D=-0.1, B=-2.4), reply(Y=math.log(0.2), N=math.log(0.8)))
    assessment = await judge(engine).assess(user("Prove that sqrt(2) is irrational"))

    assert assessment.task == "math_reasoning"
    assert assessment.p_fast == pytest.approx(0.2)
    assert assessment.classifier == "judge-Qwen2.5-3B-Instruct-p1"
    assert set(assessment.task_probabilities) == set(TASKS) - {"multimodal"}
    assert sum(assessment.task_probabilities.values()) == pytest.approx(1)
    assert assessment.signals["p_fast_judge"] == pytest.approx(0.2)
    assert len(engine.bodies) == 2
    for body in engine.bodies:
        assert body["max_tokens"] == 1
        assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 20, 0)


async def test_both_questions_share_their_start() -> None:
    engine = FakeEngine(reply(A=-0.1), reply(Y=-0.1))
    await judge(engine).assess(user("hello"))
    one, two = (body["messages"] for body in engine.bodies)
    assert one[0] == two[0]
    assert one[1]["content"].split("Question:")[0] == two[1]["content"].split("Question:")[0]


@pytest.mark.parametrize(("letter", "task", "chance"), [("A", "chat", 0.5), ("C", "code", 0.9)])
async def test_calibration_is_applied_by_task(letter: str, task: str, chance: float) -> None:
    engine = FakeEngine(reply(**{letter: -0.1}), reply(Y=math.log(0.2), N=math.log(0.8)))
    code = Platt(scale=0.0, shift=float(logit(0.9)))
    scale = JudgeScale(pooled=Platt(scale=0.0, shift=0.0), tasks={"code": code})
    assessment = await judge(engine, scale).assess(user("hello"))
    assert assessment.p_fast == pytest.approx(chance)
    assert assessment.signals["judge_logit"] == pytest.approx(math.log(0.25))
    assert assessment.signals[f"judge_says_{task}"] == assessment.task_probabilities[task]


async def test_media_decides_the_task() -> None:
    engine = FakeEngine(reply(A=-0.1), reply(Y=-0.1))
    assessment = await judge(engine).assess(request(turn("user", "what is it?", IMAGE)))
    assert assessment.task == "multimodal"


async def test_a_long_ask_is_clipped() -> None:
    engine = FakeEngine(reply(A=-0.1), reply(Y=-0.1))
    await judge(engine).assess(user("x" * 1_000_000))
    assert len(engine.bodies[0]["messages"][1]["content"]) < ASK_CHARS + 500


def test_forbidden_tokens_do_not_count() -> None:
    said = label_probabilities(reply(Y=0.0, N=-9999.0), prompts.FAST_LETTERS)
    assert said["Y"] > 0.999
    assert said["N"] > 0


def test_a_server_without_constraints_lists_other_tokens() -> None:
    listed = {"The": -0.5, " Y": -1.5, "Y": -2.0, "N": -3.0}
    said = label_probabilities(reply(**listed), prompts.FAST_LETTERS)
    yes, no = math.exp(-1.5) + math.exp(-2.0), math.exp(-3.0)
    assert said["Y"] == pytest.approx(yes / (yes + no))


BROKEN: list[tuple[str, Callable[[], Any]]] = [
    ("no label", lambda: reply(The=-0.1, Sure=-2.0)),
    ("nothing listed", reply),
    ("only forbidden ones", lambda: reply(Y=-9999.0)),
    ("log-probabilities off", lambda: {"choices": [{"logprobs": None}]}),
    ("an error body", lambda: {"error": {"message": "no such model"}}),
    ("no choices", lambda: {"choices": []}),
    ("wrong types", lambda: {"choices": [{"logprobs": {"content": [{"top_logprobs": 3}]}}]}),
]


@pytest.mark.parametrize(("case", "make"), BROKEN, ids=[case for case, _ in BROKEN])
def test_an_unclear_answer_says_so(case: str, make: Callable[[], Body]) -> None:
    with pytest.raises(JudgeUnclear):
        label_probabilities(make(), prompts.FAST_LETTERS)


def test_letters_are_single_and_distinct() -> None:
    letters = [*prompts.TASK_LETTERS, *prompts.FAST_LETTERS]
    assert all(len(letter) == 1 for letter in letters)
    assert len(set(letters)) == len(letters)
    assert set(prompts.TASK_LETTERS.values()) == set(TASKS) - {"multimodal"}
    assert all(f"\n{letter} = " in prompts.SYSTEM for letter in prompts.TASK_LETTERS)


async def test_what_it_always_says_counts_for_nothing() -> None:
    """Of everything it says A, of code a little less: that little is all that it knows."""
    engine = FakeEngine(reply(A=-0.1, C=-4.0, D=-4.0), reply(Y=-0.1))
    asked = judge(engine)
    before = await asked.assess(user("Reverse a list in Python"))
    await asked.warm_up()
    engine.task = reply(A=-0.2, C=-3.0, D=-4.0)
    after = await asked.assess(user("Reverse a list in Python"))
    assert (before.task, after.task) == ("chat", "code")
    assert sum(after.task_probabilities.values()) == pytest.approx(1)
    assert after.task_probabilities["chat"] == pytest.approx(
        after.task_probabilities["knowledge"], rel=0.2
    )


async def test_a_judge_that_tells_kinds_apart_is_not_changed() -> None:
    asked = judge(Knowing(), None)
    await asked.warm_up()
    assessment = await asked.assess(user(prompts.EXAMPLES[5][0]))
    assert assessment.task == "code"
    assert assessment.task_probabilities["code"] == pytest.approx(0.92, abs=0.01)


class Knowing(FakeEngine):
    """Gives nine chances in ten, and a share of the last, to the right letter of an example."""

    def __init__(self) -> None:
        super().__init__(reply(), reply(Y=-0.1))

    @override
    async def ask(self, body: Body) -> Body:
        text = body["messages"][1]["content"]
        task = next(task for example, task in prompts.EXAMPLES if example in text)
        self.task = reply(
            **{
                letter: math.log(0.92 if named == task else 0.01)
                for letter, named in prompts.TASK_LETTERS.items()
            }
        )
        return await super().ask(body)


def test_the_examples_are_of_each_kind_as_many() -> None:
    kinds = Counter(task for _, task in prompts.EXAMPLES)
    assert kinds == dict.fromkeys(prompts.TASK_LETTERS.values(), 2)
