"""One request, from question to outcome. Read this first.

names     whom the client asks for: a tier, or one model
classifier what is asked, and is the fast tier enough   (beside the draft, not before it)
policy    the plan: who answers, and why
relay     what is shown and who goes on when a leg breaks
dispatch  the legs themselves
ledger    what it cost
learning  what it teaches
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from opentelemetry.context import Context

from classifier.assessment import TASKS, Assessment, Classifier
from classifier.draft import DraftJudge
from classifier.habits import DraftHabits
from classifier.neighbours import nearest
from models.catalogue import Catalogue
from models.chat import ChatRequest
from models.errors import RequestError
from models.stream import StreamEvent
from router.chain import written
from router.deadline import Deadlines
from router.dispatch import Dispatch, LegHooks
from router.explanation import Explanation, estimated
from router.fleet import Fleet
from router.gate import Confidence
from router.health import HealthReport
from router.learning.experiment import marked
from router.learning.feedback import Said
from router.learning.learning import Learning
from router.learning.records import Feedback
from router.ledger import fill_usage, saved_usd, settle
from router.names import resolve
from router.observe import Observer
from router.outcome import Arm, LegRecord, Outcome
from router.outcomes import OutcomeStore
from router.plan import Plan
from router.policy import (
    Asked,
    Rules,
    choose,
    fast_until,
    inability,
    looked,
    may_draft,
    second_look,
    shares_now,
    sure_early,
    sure_words,
)
from router.relay import Phase, Relay

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Answer:
    """A request under way. `outcome.plan` is final once the first batch was yielded."""

    outcome: Outcome
    events: AsyncGenerator[Sequence[StreamEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """One name that clients may use."""

    id: str
    owned_by: str
    window: int | None
    note: str


class Router:
    """Answers requests; the composition root builds one."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        catalogue: Catalogue,
        classifier: Classifier,
        rules: Rules,
        deadlines: Deadlines,
        dispatch: Dispatch,
        observer: Observer,
        store: OutcomeStore,
        learning: Learning | None = None,
        aliases: Mapping[str, str],
        store_prompts: bool = False,
        draw: Callable[[], float] = random.random,
        drafts: DraftHabits | None = None,
        own_tasks: Sequence[str] = (),
    ) -> None:
        """Keep the collaborators; nothing starts here. `draw` gives 0..1: see `policy.choose`.

        Without `learning`, requests teach nothing and feedback is refused. Without `drafts` the
        draft's words can only hold it back: the prompt decides. `own_tasks`: the user's, by name.
        """
        self._fleet = fleet
        self._catalogue = catalogue
        self._classifier = classifier
        self._rules = rules
        self._deadlines = deadlines
        self._drafts = drafts
        self._tasks = (*TASKS, *own_tasks)
        self._dispatch = dispatch
        self._observer = observer
        self._store = store
        self._learning = learning or Learning()
        self._aliases = aliases
        self._known = frozenset(card.name for card in catalogue.cards()) | set(fleet.hosted)
        self._store_prompts = store_prompts
        self._draw = draw

    def answer(
        self,
        request: ChatRequest,
        *,
        dialect: str,
        client: str = "",
        trace: Context | None = None,
    ) -> Answer:
        """Begin to answer. Raises a RequestError for what is wrong with the request itself.

        `trace`: the client's own trace, which ours joins.
        """
        asked = self._asked(request)
        needs_judge = asked.mode == "auto"
        plan = None if needs_judge else self._choose(request, asked, None)
        outcome = Outcome(
            id=f"hs-{secrets.token_hex(12)}",
            created=datetime.now(UTC).timestamp(),
            dialect=dialect,
            requested_model=request.model,
            stream=request.stream,
            client=client,
            plan=plan,
            prompt=request.last_user_text if self._store_prompts else "",
            asked_task=request.headstart.task or "",
            asked_threshold=request.headstart.threshold,
            experiment=self._learning.arm(request, client) if needs_judge else "",
        )
        return Answer(outcome=outcome, events=self._run(request, asked, plan, outcome, trace))

    async def explain(self, request: ChatRequest) -> Explanation:
        """What would be decided, and what each candidate would cost."""
        assessment = await self._classifier.assess(request)
        plan = self._choose(request, self._asked(request), assessment)
        estimates = estimated(request, plan, self._catalogue, datetime.now(UTC))
        found = await asyncio.to_thread(nearest, assessment.embedding)
        return Explanation(assessment=assessment, plan=plan, estimates=estimates, neighbours=found)

    async def feedback(self, said: Said, *, client: str) -> Feedback:
        """Store what a client says of an answer. Raises a RequestError for what does not fit it."""
        self._check_task(said.task or None, "task")
        return await self._learning.take(said, client)

    def models(self) -> tuple[ModelListing, ...]:
        """Every name that a client may ask for."""
        fast = self._fleet.fast
        tiers = (
            ModelListing(id="auto", owned_by="headstart", window=None, note="the router decides"),
            ModelListing(
                id="fast",
                owned_by="headstart",
                window=fast.card.window if fast else None,
                note=fast.name if fast else "no local engine",
            ),
            ModelListing(
                id="deep", owned_by="headstart", window=None, note=written(self._rules.order)
            ),
        )
        hosted = (
            ModelListing(
                id=name,
                owned_by=name.partition("/")[0],
                window=target.card.window,
                note=f"{target.name} stands in" if target.stands_in_for else "",
            )
            for name, target in sorted(self._fleet.hosted.items())
        )
        return (*tiers, *hosted)

    def providers(self) -> dict[str, HealthReport]:
        """How each hosted target that was asked, or has equals, has been doing, by name."""
        shares = shares_now(self._fleet.view(), self._rules, datetime.now(UTC))
        reports = self._fleet.health(also=shares)
        return {
            name: replace(report, shares=shares.get(name, {})) for name, report in reports.items()
        }

    def set_thresholds(
        self, threshold: float, thresholds: Mapping[str, float], *, tuned: str = ""
    ) -> None:
        """Decide by these from the next decision on; plans that are made stay. See `Rules`."""
        self._rules = replace(self._rules, threshold=threshold, thresholds=thresholds, tuned=tuned)

    def set_draft_judge(self, judge: DraftJudge) -> None:
        """Hear drafts by this one from the next on, where they are heard at all."""
        if self._drafts is not None:
            self._drafts.adopt(judge)

    @property
    def ready(self) -> bool:
        """True when some model could answer right now."""
        view = self._fleet.view()
        return view.fast is not None or bool(view.hosted)

    async def aclose(self) -> None:
        """Close connections and write what is still to be stored."""
        await self._learning.aclose()
        await self._fleet.aclose()
        await asyncio.to_thread(self._store.close)

    # -- one request ----------------------------------------------------------------------------

    async def _run(
        self,
        request: ChatRequest,
        asked: Asked,
        plan: Plan | None,
        outcome: Outcome,
        trace: Context | None,
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """Relay the legs; whatever happens, the outcome is complete and stored at the end."""
        begun = time.monotonic()
        relay = self._relay(request, plan, begun, outcome)
        outcome.legs = relay.records
        planning = None if plan else self._plan(request, asked, outcome)
        hooks = LegHooks(
            opened=partial(self._observer.leg_started, outcome),
            ended=partial(self._leg_ended, request, outcome),
        )
        self._observer.started(outcome, trace)
        lesson = self._learning.begun(request, outcome, judged=asked.mode == "auto")
        try:
            stream = self._dispatch.run(relay, request, planning=planning, hooks=hooks)
            async with aclosing(stream):
                async for events in stream:
                    self._update(outcome, relay, begun)
                    if lesson.drawn:
                        lesson.hear(events)
                    yield events
        finally:
            self._update(outcome, relay, begun)
            outcome.finish = outcome.finish or ("error" if relay.error else "left")
            self._observer.finished(outcome)
            self._store.record(outcome)
            self._learning.ended(lesson)

    def _relay(
        self, request: ChatRequest, plan: Plan | None, now: float, outcome: Outcome
    ) -> Relay:
        """The relay; with the draft already running where the request may have one."""
        view = self._fleet.view()
        draft = view.fast if plan is None and may_draft(request) else None
        if draft is not None and inability(request, draft.card):
            draft = None
        limits = self._deadlines
        if request.headstart.deadline is not None:
            limits = replace(limits, request=request.headstart.deadline)
        if not view.hosted:  # nobody to go to: the local engine may take its time
            limits = replace(limits, fast_first_token=limits.deep_first_sentence)
        return Relay(
            draft=draft,
            plan=plan,
            deadlines=limits,
            now=now,
            second_look=partial(self._second_look, outcome),
            sure_early=partial(self._sure_early, outcome),
            exact_only=request.response_format is not None,
            whole_words=not request.logprobs,
        )

    async def _plan(self, request: ChatRequest, asked: Asked, outcome: Outcome) -> Plan:
        """Assess the prompt and choose; a classifier that breaks costs its signal only."""
        assessment = None
        with self._observer.classifying(outcome) as found:
            try:
                assessment = await self._classifier.assess(request)
                found(assessment)
            except Exception:
                _log.exception("the classifier failed")
        if assessment is not None:
            outcome.classifier = assessment.classifier
            outcome.signals = assessment.signals
            outcome.embedding = assessment.embedding
            outcome.form, outcome.instruction = assessment.form, assessment.instruction
            outcome.judged_task = assessment.user_task or assessment.task
            outcome.looks = replace(outcome.looks, p_prompt=assessment.p_fast)
            outcome.draft_judge = self._drafts.version if self._drafts else ""
        return self._choose(request, asked, assessment, outcome.experiment)

    def _choose(
        self,
        request: ChatRequest,
        asked: Asked,
        assessment: Assessment | None,
        arm: Arm = "",
    ) -> Plan:
        plan = choose(
            request,
            asked,
            assessment,
            self._fleet.view(),
            self._learning.rules(self._rules, arm),
            draw=self._draw(),
            at=datetime.now(UTC),
        )
        return marked(plan, arm)

    def _second_look(self, outcome: Outcome, plan: Plan, confidence: Confidence) -> Plan:
        """The policy, asked again; how sure the draft was is kept to learn from."""
        found = second_look(plan, confidence, self._rules, self._drafts)
        if outcome.looks.signals is None:  # a draft that steps aside is looked at once more
            outcome.draft, signals = confidence, confidence.signals
            outcome.looks = looked(outcome.looks, signals, found)
            if self._drafts is not None:
                self._drafts.note(plan.task, signals)
        return plan if found is plan else marked(found, outcome.experiment)

    def _sure_early(self, outcome: Outcome, plan: Plan, confidence: Confidence) -> bool:
        if sure_words(plan, confidence, self._rules):
            outcome.looks = replace(outcome.looks, early=True)
        early = sure_early(plan, confidence, self._rules)
        if early:
            outcome.draft = confidence
        return early

    def _leg_ended(self, request: ChatRequest, outcome: Outcome, leg: LegRecord) -> None:
        fill_usage(leg, request, leg.transcript_chars)
        settle(leg, datetime.now(UTC))
        self._observer.leg_ended(outcome, leg)

    def _update(self, outcome: Outcome, relay: Relay, begun: float) -> None:
        """Keep the outcome in step with the relay."""
        outcome.plan = relay.plan
        outcome.first_shown = relay.shown.first_shown
        outcome.shown_chars = relay.shown.chars
        outcome.finish = relay.finish or ""
        outcome.error = relay.error
        outcome.duration = time.monotonic() - begun
        if relay.plan is not None:
            outcome.fast_until = fast_until(relay.plan, outcome.looks, self._rules)
        if relay.phase is Phase.DONE and outcome.saved_usd is None:
            outcome.saved_usd = saved_usd(outcome, datetime.now(UTC))

    # -- names ----------------------------------------------------------------------------------

    def _asked(self, request: ChatRequest) -> Asked:
        """Whom the client wants, by model name and `headstart.mode`."""
        self._check_task(request.headstart.task, "headstart.task")
        resolved = resolve(
            request.model,
            models=self._known,
            providers=self._fleet.provider_names,
            aliases=self._aliases,
        )
        if resolved.target:
            pinned = self._fleet.pinned(resolved.target, self._catalogue)
            equals = (self._fleet.hosted.get(name) for name in pinned.card.equals)
            return Asked(mode="pinned", pinned=pinned, equals=tuple(t for t in equals if t))
        return Asked(mode=request.headstart.mode or resolved.mode)

    def _check_task(self, task: str | None, param: str) -> None:
        """Refuse a task that nobody knows."""
        if task is not None and task not in self._tasks:
            known = ", ".join(self._tasks)
            raise RequestError(f"{param}: {task!r} is not a task. Use one of {known}.", param=param)
