"""A small language model as classifier: one forward pass, the log-probabilities of label letters.

It works against any vLLM server. vLLM masks the logits by `structured_outputs` before it computes
log-probabilities, so the label letters are all that is listed; a server that ignores the constraint
lists its top 20, and the letters are picked out of those.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

from classifier import judge_prompts as prompts
from classifier.assessment import Assessment, Task
from classifier.features import named_task
from classifier.judge_scale import JudgeScale
from classifier.text import Ask, clip, read_ask
from models.chat import ChatRequest

Body: TypeAlias = dict[str, Any]
AskEngine: TypeAlias = Callable[[Body], Awaitable[Body]]  # POST to /v1/chat/completions

ASK_CHARS = 2400  # about 600 tokens: what one pass of a 3B model takes within the deadline
TOP_LOGPROBS = 20  # vLLM's default limit
LOGIT = "judge_logit"  # the signals that its scale is fitted on again
SAYS = "judge_says_"  # and then the task
_MASKED = -100.0  # vLLM writes -9999 for a token that the constraint forbids


class JudgeUnclear(Exception):
    """The engine's answer holds no label: wrong model, wrong server, or log-probabilities are off."""


def judge_name(model: str) -> str:
    """What a judge on this model is called: another model or prompt has other logits."""
    return f"judge-{model.rsplit('/', 1)[-1]}-{prompts.VERSION}"


class JudgeClassifier:
    """Asks two questions at once, each of one token; the engine's prefix cache shares their start."""

    def __init__(self, ask: AskEngine, *, model: str, scale: JudgeScale | None = None) -> None:
        """`ask` sends a chat completion to the engine; `model` is the name it serves."""
        self._ask = ask
        self._model = model
        self._scale = scale or JudgeScale()
        self._habit: dict[str, float] = {}  # how often it says each letter, whatever it is asked

    @property
    def name(self) -> str:
        """Model and prompt version."""
        return judge_name(self._model)

    async def warm_up(self) -> None:
        """Ask for the kinds of known requests; from then on its habits are taken out of its answers.

        Raises as `assess` does. Until it was called, or where it failed, letters count as they come.
        """
        asks = [Ask(text=text, chars=len(text)) for text, _ in prompts.EXAMPLES]
        replies = await asyncio.gather(
            *(self._ask(self._body(ask, prompts.TASK_QUESTION)) for ask in asks)
        )
        said = [label_probabilities(reply, prompts.TASK_LETTERS) for reply in replies]
        self._habit = {
            letter: sum(each[letter] for each in said) / len(said)
            for letter in prompts.TASK_LETTERS
        }

    async def assess(self, request: ChatRequest) -> Assessment:
        """Raises JudgeUnclear, or what `ask` raises: combine it with `WithDeadline`."""
        ask = read_ask(request)
        task_reply, fast_reply = await asyncio.gather(
            self._ask(self._body(ask, prompts.TASK_QUESTION)),
            self._ask(self._body(ask, prompts.FAST_QUESTION)),
        )
        tasks = without(self._habit, label_probabilities(task_reply, prompts.TASK_LETTERS))
        answers = label_probabilities(fast_reply, prompts.FAST_LETTERS)
        probabilities: dict[Task, float] = {prompts.TASK_LETTERS[k]: p for k, p in tasks.items()}
        raw = math.log(answers["Y"]) - math.log(answers["N"])
        task = named_task(ask, probabilities)
        p_fast = self._scale(raw, task)
        return Assessment(
            task=task,
            p_fast=p_fast,
            classifier=self.name,
            task_probabilities={**probabilities},
            signals={
                "p_fast_judge": p_fast,
                LOGIT: raw,
                f"{SAYS}{task}": probabilities.get(task, 1.0),
            },
        )

    def _body(self, ask: Ask, question: prompts.Question) -> Body:
        return {
            "model": self._model,
            "messages": prompts.messages(clip(ask.full, ASK_CHARS), question),
            "max_tokens": 1,
            "temperature": 0,
            "stream": False,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
            "structured_outputs": {"choice": list(question.letters)},
        }


def label_probabilities(reply: Body, letters: Iterable[str]) -> dict[str, float]:
    """Probability of each letter, among the letters; those not listed get the least listed one's."""
    listed = _listed(reply)
    if not listed:
        raise JudgeUnclear("the engine listed no log-probabilities")
    found: dict[str, float] = {}
    wanted = tuple(letters)
    for token, logprob in listed:
        letter = token.strip()
        if letter in wanted:  # "A" and " A" are both the letter
            found[letter] = found.get(letter, 0.0) + math.exp(logprob)
    if not found:
        raise JudgeUnclear(f"no label among the engine's tokens: {[t for t, _ in listed][:5]}")
    floor = max(math.exp(min(logprob for _, logprob in listed)), 1e-12)
    masses = {letter: max(found.get(letter, 0.0), min(floor, 1e-4)) for letter in wanted}
    total = sum(masses.values())
    return {letter: mass / total for letter, mass in masses.items()}


def without(habit: Mapping[str, float], said: Mapping[str, float]) -> dict[str, float]:
    """What was said, less what is always said (batch calibration, Zhou et al. 2024, arXiv 2309.17249).

    A judge that tells kinds apart says each as often as it occurs, which changes nothing; one that
    says the same of everything says nothing.
    """
    masses = {letter: p / habit.get(letter, 1.0) for letter, p in said.items()}
    total = sum(masses.values())
    return {letter: mass / total for letter, mass in masses.items()}


def _listed(reply: Body) -> list[tuple[str, float]]:
    try:
        entries = cast("list[Body]", reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"])
        pairs = [(str(entry["token"]), float(entry["logprob"])) for entry in entries]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise JudgeUnclear(f"not a chat completion with log-probabilities: {error!r}") from error
    return [(token, logprob) for token, logprob in pairs if logprob > _MASKED]
