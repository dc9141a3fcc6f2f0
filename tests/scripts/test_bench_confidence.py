import pytest

from models.card import Abilities, ModelCard
from router.gate import Confidence
from router.providers import registry
from scripts.bench.confidence import first_sentence, sample_prompts
from tests.fakes.fleet import engine
from tests.fakes.script import Turn

pytestmark = pytest.mark.anyio


async def test_a_first_sentence_is_judged_as_the_gate_judges_it() -> None:
    card = ModelCard(provider="local", id="fast-model", abilities=Abilities(logprobs=True))
    async with engine(Turn(answer="One two. Three four.", logprob=-0.5)) as fake:
        provider = registry.build("local", dialect="openai", base_url=fake.base_url, like="vllm")
        found = await first_sentence(provider, card, "Count.", 0.7)
        await provider.aclose()
    assert found == ("One two.", Confidence(mean=-0.5, minimum=-0.5, tokens=3))
    assert fake.requests[0].json["temperature"] == 0.7


def test_the_prompts_are_of_every_task_and_always_the_same() -> None:
    rows = sample_prompts(3)
    assert rows == sample_prompts(3)
    assert len(rows) == 3 * len({row["task"] for row in rows})
    assert len({row["prompt"] for row in rows}) == len(rows)
