"""The judge on a real vLLM: one pass a question, a shared prompt that is computed once, steady tasks.

The demo model has 135 million parameters and tells no kinds of request apart: it says A to nearly everything.
So what these tests show of typos and paraphrases is that its letters move less under them than from
task to task, and that such a judge flips no task beside the embedding classifier, once its habit
is known. How well a judge of 3 billion parameters tells tasks is not shown here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean

import httpx
import pytest

from classifier import judge_prompts as prompts
from classifier.assessment import Assessment
from classifier.combine import Together
from classifier.embedding_classifier import load_default
from classifier.judge import Body, JudgeClassifier
from tests.classifier.asks import user

pytestmark = pytest.mark.anyio

SAME: dict[str, tuple[str, str, str]] = {  # as it is, with typos, in other words
    "chat": (
        "Hi, how are you doing today?",
        "hi, hwo are yuo doign tody?",
        "Hello! How is your day going?",
    ),
    "code": (
        "Write a Python function that reverses a linked list.",
        "Wirte a Pyhton fucntion that revreses a likned list.",
        "I need Python code which turns a linked list around.",
    ),
    "math_reasoning": (
        "Prove that the square root of 2 is irrational.",
        "Prvoe taht the sqaure root of 2 is irrationl.",
        "Show that no fraction equals the square root of two.",
    ),
    "translation": (
        "Translate into French: The weather is nice today.",
        "Tranlsate inot Frnech: The wether is nice tody.",
        "How do you say in French: The weather is nice today?",
    ),
    "summarise_rewrite": (
        "Summarise this text in one sentence: The Rhine rises in the Alps and flows through six "
        "countries before it reaches the North Sea.",
        "Sumarise tihs txet in one sentnce: The Rhine rises in the Alps and flows trough six "
        "countrys before it reaches the North Sea.",
        "Give me one sentence that sums up this text: The Rhine rises in the Alps and flows through "
        "six countries before it reaches the North Sea.",
    ),
    "classification": (
        "Is this review positive or negative? I loved every minute of it.",
        "Is tihs reveiw postive or negatve? I loved evry minute of it.",
        "Label the sentiment of this review: I loved every minute of it.",
    ),
    "knowledge": (
        "Why is the sky blue?",
        "Wyh is the sky bleu?",
        "What makes the sky look blue?",
    ),
}


@dataclass
class Engine:
    """The judge's questions to a real engine, and what it says of them."""

    client: httpx.AsyncClient
    replies: list[Body] = field(default_factory=list[Body])

    async def ask(self, body: Body) -> Body:
        reply = await self.client.post("/v1/chat/completions", json=body)
        reply.raise_for_status()
        self.replies.append(reply.json())
        return self.replies[-1]

    async def counted(self, *names: str) -> list[float]:
        """vLLM's own counters."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return [
            sum(
                float(line.rpartition(" ")[2])
                for line in lines
                if line.startswith(f"vllm:{name}{{")
            )
            for name in names
        ]


@asynccontextmanager
async def judging(url: str) -> AsyncGenerator[tuple[Engine, JudgeClassifier]]:
    """A judge that is warmed up."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        model = (await client.get("/v1/models")).json()["data"][0]["id"]
        engine = Engine(client)
        judge = JudgeClassifier(engine.ask, model=model)
        await judge.warm_up()
        engine.replies.clear()
        yield engine, judge


async def test_one_pass_a_question_and_the_shared_prompt_is_cached(engine_url: str) -> None:
    counters = ("generation_tokens_total", "prefix_cache_queries_total", "prefix_cache_hits_total")
    async with judging(engine_url) as (engine, judge):
        before = await engine.counted(*counters)
        assessment = await judge.assess(user("What is 2 + 2? " + "Show each step of it. " * 20))
        after = await engine.counted(*counters)
    tokens, asked, hit = (now - then for now, then in zip(after, before, strict=True))

    assert tokens == len(engine.replies) == 2
    assert hit >= asked / 3  # the instructions for both, and the request for the second question
    assert 0 < assessment.p_fast < 1
    assert sum(assessment.task_probabilities.values()) == pytest.approx(1)


async def test_the_constraint_is_applied_before_log_probabilities(engine_url: str) -> None:
    async with judging(engine_url) as (engine, judge):
        await judge.assess(user("What is 2 + 2?"))
    listed = [
        {
            entry["token"]
            for entry in reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            if entry["logprob"] > -100
        }
        for reply in engine.replies
    ]
    letters = [set(prompts.TASK_LETTERS), set(prompts.FAST_LETTERS)]
    assert sorted(listed, key=len) == sorted(letters, key=len)


async def test_typos_and_other_words_leave_the_task(engine_url: str) -> None:
    embedding = load_default()
    async with judging(engine_url) as (_, judge):
        both = Together(judge, embedding)
        decided = {
            task: [(await both.assess(user(text))).task for text in texts]
            for task, texts in SAME.items()
        }
        judged = {
            task: [await judge.assess(user(text)) for text in texts] for task, texts in SAME.items()
        }
    await embedding.aclose()

    assert decided == {task: [task] * 3 for task in SAME}
    changed = [apart(first, other) for first, *others in judged.values() for other in others]
    between = [apart(one[0], other[0]) for one, other in combinations(judged.values(), 2)]
    assert mean(changed) < mean(between)


def apart(one: Assessment, other: Assessment) -> float:
    """Total variation between what was said of two requests' tasks, 0..1."""
    names = one.task_probabilities
    return sum(abs(p - other.task_probabilities[name]) for name, p in names.items()) / 2
