"""The composition root: every object, in the order in which they need each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Final

import httpx
import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from classifier.assessment import Classifier
from classifier.combine import Together, WithDeadline
from classifier.draft import load_shipped as load_draft_judge
from classifier.embedding_classifier import load_default
from classifier.habits import DraftHabits
from classifier.judge import JudgeClassifier, JudgeUnclear, judge_name
from classifier.judge_scale import scale_of
from classifier.tuning.thresholds import Thresholds
from models.chat import ChatRequest, Message, Text
from router.deadline import Deadlines
from router.dispatch import Dispatch
from router.fleet import Fleet
from router.observe import Observer
from router.outcomes import Notebook, OutcomeStore, SqliteOutcomes
from router.policy import Rules
from router.router import Router
from router.weights import Exponents
from serving.auth import ClientKey
from serving.edge import build_edge
from serving.engines.engine import Engine, EngineState, Role
from serving.engines.vllm import installed_build
from serving.engines.weights import DEMO_NAME
from serving.health import Readiness
from serving.judge import JudgeLine
from serving.learning import build_learning, load_head
from serving.settings import Settings
from serving.telemetry import Telemetry, configure
from serving.tuning.drafts import DraftWatch
from serving.tuning.tuned import TunedWatch
from serving.upstreams import LocalModel, Upstreams, build_fleet, plan_upstreams

_log = logging.getLogger(__name__)

# A draft that comes later is dropped. Without a GPU even a small model needs longer (measured: 56 ms
# alone, half a second beside other work on two cores).
_FIRST_TOKEN: Final = {"cuda": Deadlines().fast_first_token, "cpu": 1.0}
_PROBE_TIMEOUT: Final = 5.0
_WARM_UP: Final = 60.0  # seconds


async def build(
    settings: Settings,
    engines: Mapping[Role, Engine],
    env: Mapping[str, str],
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """The whole server around engines that run. Raises `ConfigError` for what cannot work.

    `telemetry`: what the environment asks for, unless given.
    """
    closing = AsyncExitStack()  # what ends with the server, last opened first
    telemetry = telemetry or configure(env)
    closing.push_async_callback(asyncio.to_thread, telemetry.shutdown)
    upstreams = plan_upstreams(settings, env)
    local = await local_model(engines, settings, env)
    fleet = build_fleet(upstreams, local, settings, env)
    if settings.fast.url is None:
        await warm_up(fleet)
    classifier = await build_classifier(settings, engines, env, closing)
    store = SqliteOutcomes(settings.outcomes.path)
    router = build_router(settings, upstreams, fleet, classifier, telemetry, store, store)
    closing.push_async_callback(router.aclose)
    tuned = watch_tuned(settings, router, classifier)
    drafts = DraftWatch(
        settings.classifier.drafts, local.model if local else "", router.set_draft_judge
    )
    drafts.look()
    keys = {
        name: ClientKey(key=entry.key.get_secret_value(), merge=entry.merge)
        for name, entry in settings.server.client_keys.items()
    }

    async def metrics(_: Request) -> Response:
        body, content_type = await asyncio.to_thread(telemetry.render_metrics)
        return Response(body, headers={"content-type": content_type})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        async with closing, tuned.watching(), drafts.watching():
            yield

    app = build_edge(
        router,
        readiness=lambda: readiness(fleet, engines),
        metrics=metrics,
        client_keys=keys,
        max_body=int(settings.server.max_body_mb * 1_000_000),
        lifespan=lifespan,
    )
    app.state.thresholds = tuned.said  # for the start-up text
    return app


async def build_classifier(
    settings: Settings,
    engines: Mapping[Role, Engine],
    env: Mapping[str, str],
    closing: AsyncExitStack,
    *,
    patient: bool = False,
) -> Classifier:
    """The embedding classifier, with the judge on its engine beside it where one runs.

    `patient`: the judge is waited for, and never left out. Raises what it raises then.
    """
    head = load_head(settings.classifier)
    embedding = load_default(settings.classifier.described, head)
    closing.push_async_callback(embedding.aclose)
    await embedding.warm_up()
    engine = engines.get("classifier")
    if engine is None:
        return embedding
    api_key = env.get(settings.classifier.api_key_env or "", "")
    line = JudgeLine(engine, api_key=api_key)
    closing.push_async_callback(line.aclose)
    scale = scale_of(head.meta, judge_name(engine.model))
    judge = JudgeClassifier(line.ask, model=engine.model, scale=scale)
    if patient:
        await judge.warm_up()
        return Together(judge, embedding)
    await _warm_up_judge(judge)
    return WithDeadline(judge, embedding, settings.deadlines.classifier)


async def _warm_up_judge(judge: JudgeClassifier) -> None:
    """Its prompt is in the engine's cache then, and its habits are known; without it, it judges too."""
    try:
        async with asyncio.timeout(_WARM_UP):
            await judge.warm_up()
    except (httpx.HTTPError, JudgeUnclear, TimeoutError) as error:
        _log.warning("%s did not warm up: %s", judge.name, error or type(error).__name__)


def build_router(
    settings: Settings,
    upstreams: Upstreams,
    fleet: Fleet,
    classifier: Classifier,
    telemetry: Telemetry,
    store: OutcomeStore,
    notebook: Notebook | None = None,
) -> Router:
    """The router with its collaborators; without a notebook it learns nothing."""
    observer = Observer(telemetry.tracer_provider, telemetry.meter_provider)
    observer.watch(store)
    learning = None
    if notebook is not None:
        learning = build_learning(settings.learning, fleet, upstreams.catalogue, notebook, observer)
    return Router(
        fleet=fleet,
        catalogue=upstreams.catalogue,
        classifier=classifier,
        rules=_rules(settings),
        deadlines=_deadlines(settings),
        dispatch=Dispatch(fleet, instruction=settings.relay.continue_instruction),
        observer=observer,
        store=store,
        learning=learning,
        aliases=settings.aliases,
        drafts=DraftHabits(load_draft_judge()) if settings.classifier.second_look else None,
        own_tasks=tuple(settings.classifier.tasks),
        store_prompts=settings.outcomes.store_prompts,
    )


def watch_tuned(settings: Settings, router: Router, classifier: Classifier) -> TunedWatch:
    """The thresholds of `headstart tune --apply`, in force if there are any."""
    own = settings.classifier
    configured = Thresholds(general=own.threshold, tasks=own.thresholds)
    watch = TunedWatch(own.tuned, configured, classifier.name, router.set_thresholds)
    watch.look()
    return watch


async def local_model(
    engines: Mapping[Role, Engine], settings: Settings, env: Mapping[str, str]
) -> LocalModel | None:
    """The fast engine as the fleet needs it; the engine itself is asked for its window."""
    engine = engines.get("fast")
    if engine is None:
        return None
    api_key = env.get(settings.fast.api_key_env or "", "")
    return LocalModel(
        model=engine.model,
        base_url=engine.address.base_url,
        uds=engine.address.uds or "",
        api_key=api_key,
        window=settings.fast.max_model_len or await _window(engine, api_key),
        greedy=engine.model == DEMO_NAME,
        ready=lambda: engine.ready,
    )


async def warm_up(fleet: Fleet) -> None:
    """Ask our own engine something: its first answer takes seconds, which no client should wait.

    Asked as a draft is, with log-probabilities, since that is a path of its own in the engine. An
    engine that does not answer is its supervisor's business, and the relay's.
    """
    fast = fleet.view().fast
    if fast is None:
        return
    hello = Message(role="user", parts=(Text(text="Hello!"),))
    request = ChatRequest(model="fast", messages=(hello,), max_tokens=8, logprobs=True)
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(_WARM_UP),
            aclosing(fleet.provider(fast).stream(request, fast.card)) as stream,
        ):
            async for _ in stream:
                pass


def readiness(fleet: Fleet, engines: Mapping[Role, Engine]) -> Readiness:
    """Who could answer now. A stand-in is the engine again, so it does not count as deep."""
    view = fleet.view()
    deep = tuple(name for name, target in view.hosted.items() if not target.local)
    return Readiness(
        fast=view.fast is not None,
        deep=deep,
        reason="" if view.fast or deep else _why_not(engines),
        details={"engines": {role: str(e.snapshot().state) for role, e in engines.items()}},
    )


def _why_not(engines: Mapping[Role, Engine]) -> str:
    engine = engines.get("fast")
    if engine is None:
        return "no engine runs and no provider key is set"
    now = engine.snapshot()
    because = f" ({now.failure})" if now.failure and now.state is not EngineState.READY else ""
    return f"the engine is {now.state}{because}, and no provider key is set"


def _rules(settings: Settings) -> Rules:
    return Rules(
        threshold=settings.classifier.threshold,
        thresholds=settings.classifier.thresholds,
        merge=settings.relay.merge,
        bar=settings.relay.bar,
        bars=settings.relay.bars,
        early_tokens=settings.relay.early_tokens,
        order=settings.deep.preferred,
        tasks=settings.deep.preferred_for,
        exponents=Exponents(**settings.deep.weights.model_dump()),
        hedge=settings.deep.hedge,
    )


def _deadlines(settings: Settings) -> Deadlines:
    own = settings.deadlines
    first_token = own.fast_first_token or _FIRST_TOKEN[installed_build() or "cuda"]
    return Deadlines(
        fast_first_token=first_token,
        classifier=own.classifier,
        connect=own.connect,
        deep_first_sentence=own.deep_first_sentence,
        stall=own.stall,
        grace=own.grace,
        request=own.request,
    )


class _Served(msgspec.Struct, frozen=True):
    id: str
    max_model_len: int | None = None


class _ServedModels(msgspec.Struct, frozen=True):
    data: tuple[_Served, ...] = ()


async def _window(engine: Engine, api_key: str) -> int | None:
    """The window it runs with, which may be smaller than the model's; vLLM tells it."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        async with engine.address.client(timeout=_PROBE_TIMEOUT) as client:
            reply = await client.get("/v1/models", headers=headers)
        served = msgspec.json.decode(reply.content, type=_ServedModels).data
    except (httpx.HTTPError, msgspec.DecodeError):
        return None
    return next((model.max_model_len for model in served if model.id == engine.model), None)
