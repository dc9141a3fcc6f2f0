"""What each path does: parse, ask the router, render."""

from __future__ import annotations

from dataclasses import asdict
from typing import Protocol

from fastapi import Request
from fastapi.responses import Response
from opentelemetry import propagate
from opentelemetry.context import Context

from models.chat import ChatRequest, Json
from models.errors import ModelNotFound
from router.explanation import Explanation
from router.health import HealthReport
from router.learning.feedback import Said
from router.learning.records import Feedback
from router.plan import Plan, Target
from router.router import Answer, ModelListing
from serving.auth import as_its_client_wants, client_name
from serving.body import read_body
from serving.dialects.base import Dialect
from serving.dialects.encoding import encode
from serving.feedback import feedback_object, parse_feedback
from serving.replies import StreamedReply, WholeReply


class Answering(Protocol):
    """What the edge needs of the router."""

    def answer(
        self, request: ChatRequest, *, dialect: str, client: str, trace: Context | None = None
    ) -> Answer:
        """Begin to answer; raises a `RequestError` for what can be refused at once."""
        ...

    async def explain(self, request: ChatRequest) -> Explanation:
        """Decide without answering."""
        ...

    async def feedback(self, said: Said, *, client: str) -> Feedback:
        """Store what a client says of an answer; raises a `RequestError` for what does not fit."""
        ...

    def models(self) -> tuple[ModelListing, ...]:
        """The names that clients may use."""
        ...

    def providers(self) -> dict[str, HealthReport]:
        """How the hosted models have been doing."""
        ...


class ChatHandler:
    """One dialect's endpoint for answers."""

    def __init__(self, router: Answering, dialect: Dialect, max_body: int) -> None:
        """`max_body` is in bytes."""
        self._router = router
        self._dialect = dialect
        self._max_body = max_body

    async def answer(self, request: Request) -> Response:
        """Parse, ask the router, and reply as the client asked: streamed or whole."""
        parsed = self._dialect.parse(await read_body(request, self._max_body))
        answer = self._router.answer(
            as_its_client_wants(request, parsed.request),
            dialect=self._dialect.name,
            client=client_name(request),
            trace=propagate.extract(request.headers) if "traceparent" in request.headers else None,
        )
        if parsed.request.stream:
            return StreamedReply(answer, self._dialect, parsed.stream_renderer(answer.outcome))
        return WholeReply(answer, self._dialect, parsed.body_renderer(answer.outcome))

    async def route(self, request: Request) -> Response:
        """What would be done with this request, why, and what it would cost."""
        parsed = self._dialect.parse(await read_body(request, self._max_body))
        asked = as_its_client_wants(request, parsed.request)
        return json_reply(explanation_object(await self._router.explain(asked)))


class FeedbackHandler:
    """What clients say of answers that they got."""

    def __init__(self, router: Answering, max_body: int) -> None:
        """`max_body` is in bytes."""
        self._router = router
        self._max_body = max_body

    async def take(self, request: Request) -> Response:
        """Store it, and show what was stored."""
        said = parse_feedback(await read_body(request, self._max_body))
        row = await self._router.feedback(said, client=client_name(request))
        return json_reply(feedback_object(row))


class ProvidersHandler:
    """The state of every hosted model that was asked."""

    def __init__(self, router: Answering) -> None:
        """The router knows."""
        self._router = router

    async def list_all(self, request: Request) -> Response:
        """Breaker, failure share and latencies, by `provider/model`."""
        reports = self._router.providers()
        return json_reply({name: asdict(report) for name, report in reports.items()})


class ModelsHandler:
    """The list of models, in OpenAI's shape."""

    def __init__(self, router: Answering, created: int) -> None:
        """`created` stands where OpenAI has a model's date: the time we started."""
        self._router = router
        self._created = created

    async def list_all(self, request: Request) -> Response:
        """Every name that a client may ask for."""
        items = [self._item(listing) for listing in self._router.models()]
        return json_reply({"object": "list", "data": items})

    async def get(self, request: Request) -> Response:
        """One of them."""
        name: str = request.path_params["name"]
        for listing in self._router.models():
            if listing.id == name:
                return json_reply(self._item(listing))
        raise ModelNotFound(f"There is no model `{name}` here: /v1/models lists all.")

    def _item(self, listing: ModelListing) -> dict[str, Json]:
        return {
            "id": listing.id,
            "object": "model",
            "created": self._created,
            "owned_by": listing.owned_by,
            "context_window": listing.window,
            "note": listing.note,
        }


def explanation_object(explanation: Explanation) -> dict[str, Json]:
    """A decision, as `/v1/route` and `headstart route --json` show it."""
    return {
        "because": explanation.plan.because,
        "assessment": {
            "task": explanation.assessment.task,
            "p_fast": explanation.assessment.p_fast,
            "classifier": explanation.assessment.classifier,
            "task_probabilities": explanation.assessment.task_probabilities,
            "signals": explanation.assessment.signals,
        },
        "plan": _plan_object(explanation.plan),
        "estimates": [
            {"target": item.target, "usd": item.usd, "note": item.note}
            for item in explanation.estimates
        ],
        "neighbours": [asdict(item) for item in explanation.neighbours],
    }


def json_reply(value: Json, status: int = 200) -> Response:
    """A JSON reply."""
    return Response(encode(value), status_code=status, media_type="application/json")


def _plan_object(plan: Plan) -> dict[str, Json]:
    return {
        "route": plan.route,
        "task": plan.task,
        "p_fast": plan.p_fast,
        "threshold": plan.threshold,
        "merge": plan.merge,
        "draft": _target_object(plan.draft),
        "deep": [_target_object(target) for target in plan.deep],
        "rescue": _target_object(plan.rescue),
        "shares": dict(plan.shares),
    }


def _target_object(target: Target | None) -> dict[str, Json] | None:
    if target is None:
        return None
    return {"name": target.name, "local": target.local, "stands_in_for": target.stands_in_for}
