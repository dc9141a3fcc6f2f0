"""The decision: which tier answers, and who in it. Pure: same input, same plan.

Asked twice (DESIGN: the one idea): from the prompt alone, and again when the draft's first
sentence stands and its own log-probabilities are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from classifier.assessment import Assessment
from classifier.draft import DraftSignals
from models.card import ModelCard
from models.chat import ChatRequest, Media, Merge
from models.errors import PromptTooLong, Unsupported
from models.stream import Usage
from models.tokens import estimate_prompt
from router.chain import ORDINARY, Order, Standing, group_shares, groups, line_up
from router.gate import USUAL, Bar, Confidence
from router.plan import Looks, Plan, Target
from router.weights import EVEN, Exponents, Record

T = TypeVar("T")

NEVER = -1.0  # under every threshold
_DEFAULT_ANSWER_TOKENS = 512  # room for the answer when the client sets no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's part of the decision. `thresholds`, `bars` and `tasks` are by task, before the general."""

    threshold: float = 0.75
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])
    tuned: str = ""  # when the thresholds were tuned; empty: they are as configured
    merge: Merge = "continue"
    bar: Bar = USUAL
    bars: Mapping[str, Bar] = field(default_factory=dict[str, Bar])
    early_tokens: int = 8  # a fast plan's draft is shown after so many sure ones; 0: a sentence
    clear: float = 0.1  # so far over the threshold the prompt alone decides that
    order: Order = ()
    tasks: Mapping[str, Order] = field(default_factory=dict[str, Order])
    exponents: Exponents = EVEN  # of the weights of equals
    hedge: bool = False  # ask the next model when one is slower than its own 95th percentile


class DraftReader(Protocol):
    """What a draft's own words make of the chance that the prompt gave."""

    def p_fast(self, p_prompt: float, signals: DraftSignals, task: str) -> float:
        """The chance of prompt and draft together; the prompt's where nothing is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """Who could answer right now. `hosted` has every usable target by name."""

    fast: Target | None = None
    hosted: Mapping[str, Target] = field(default_factory=dict[str, Target])
    resting: frozenset[str] = frozenset()  # failed a moment ago: asked after all others
    first_event_p95: Mapping[str, float] = field(default_factory=dict[str, float])  # seconds
    records: Mapping[str, Record] = field(default_factory=dict[str, Record])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom the client wants: a tier, or one model by name (`pinned`)."""

    mode: str  # "auto", "fast", "deep", "pinned"
    pinned: Target | None = None
    equals: tuple[Target, ...] = ()


def choose(
    request: ChatRequest,
    asked: Asked,
    assessment: Assessment | None,
    fleet: FleetView,
    rules: Rules,
    *,
    draw: float = 0.0,
    at: datetime | None = None,
) -> Plan:
    """The plan for one request. Raises a RequestError when no model can take it.

    draw: 0 to 1, which of several equals is asked first. at: the time, for their prices.
    """
    merge = request.headstart.merge or rules.merge
    if merge == "revise" and request.headstart.merge is None:
        merge = "continue"  # a client that did not ask for it cannot take text back
    task, like = _task(request, assessment)
    fast, why_not_fast = _fast(request, fleet)
    order = for_task(rules.tasks, task, like, ())
    deep, shares = _deep(request, asked, order, fleet, rules, draw, at)
    plan = Plan(
        route="deep",
        because="",
        deep=deep,
        rescue=fast,
        merge=merge,
        task=task,
        like=like,
        hedges=fleet.first_event_p95 if rules.hedge else {},
        shares=shares,
    )
    if asked.mode == "pinned":
        name = asked.pinned.asked_as if asked.pinned else ""
        return _checked(replace(plan, because=f"the client asked for {name}"), request, fleet)
    if asked.mode == "fast":
        if fast is None:
            raise _refusal(request, fleet, f"the fast tier cannot take this: {why_not_fast}")
        return replace(plan, route="fast", because="the client asked for fast", draft=fast)
    if asked.mode == "deep":
        return _checked(replace(plan, because="the client asked for deep"), request, fleet)
    return _checked(_judged(plan, request, assessment, why_not_fast, rules), request, fleet)


def for_task(table: Mapping[str, T], task: str, like: str, general: T) -> T:
    """What a table has for the task, else for the built-in one that it is like, else in general."""
    return table.get(task, table.get(like, general))


def second_look(
    plan: Plan, confidence: Confidence, rules: Rules, judge: DraftReader | None = None
) -> Plan:
    """The plan once the draft's first sentence stands, which is the better judge of the two.

    `judge` moves the chance by what the sentence tells of itself: the draft may turn out to be
    enough after all, or not. Whatever the chance, a draft under its task's bar is never shown.
    """
    asked_by_name = plan.threshold is None
    if asked_by_name or not plan.deep:
        return plan
    missed = _bar(plan, rules).missed_by(confidence)
    if missed:
        because = f"the draft is unsure of itself for {plan.task} ({missed})"
        return replace(plan, route="deep", because=because, draft=None)
    return _weighed(plan, confidence.signals, judge)


def sure_early(plan: Plan, confidence: Confidence, rules: Rules) -> bool:
    """Whether a fast plan's draft may be shown before its first sentence ends.

    Nothing is going to be spliced behind it, so the sentence is only waited for to judge it. Where
    the prompt leaves little doubt that is not needed: a few words that are over the bar will do.
    """
    if plan.route != "fast" or not sure_words(plan, confidence, rules):
        return False
    return plan.p_fast is None or plan.p_fast >= (plan.threshold or 0.0) + rules.clear


def sure_words(plan: Plan, confidence: Confidence, rules: Rules) -> bool:
    """The draft's part of `sure_early`: its first words are enough, and over the bar."""
    enough = 0 < rules.early_tokens <= confidence.tokens and confidence.mean is not None
    return enough and not _bar(plan, rules).missed_by(confidence)


def looked(looks: Looks, signals: DraftSignals, plan: Plan) -> Looks:
    """What is known once the first sentence was heard; `plan`: what `second_look` made of it."""
    return replace(looks, signals=signals, p_draft=plan.p_fast, held=plan.draft is None)


def fast_until(plan: Plan, looks: Looks, rules: Rules) -> float | None:
    """The highest threshold at which the fast tier answers this request; NEVER: at none.

    It says of every threshold what `choose`, `sure_early` and `second_look` together would do with
    the same prompt and the same draft, so that tuning promises something of decisions as they are
    really made. None: the threshold has no say.
    """
    if plan.threshold is None or looks.p_prompt is None:
        return None
    if plan.rescue is None:
        return NEVER  # the fast tier cannot take it
    early = looks.p_prompt - rules.clear if looks.early else NEVER
    heard = looks.p_prompt if looks.p_draft is None else looks.p_draft
    last = max(early, NEVER if looks.held else heard)
    # In the other modes the prompt alone says deep, and the deep leg starts at once.
    return last if plan.merge == "continue" else min(last, looks.p_prompt)


def _weighed(plan: Plan, signals: DraftSignals, judge: DraftReader | None) -> Plan:
    """The plan by the chance that prompt and draft give together."""
    if judge is None or plan.p_fast is None or plan.threshold is None or plan.draft is None:
        return plan
    p_fast = judge.p_fast(plan.p_fast, signals, plan.task)
    if p_fast == plan.p_fast:
        return plan  # nothing is known of this engine's drafts, or it told nothing of this one
    enough = p_fast >= plan.threshold
    sign = ">=" if enough else "<"
    because = f"{plan.because}; with the draft's own words {p_fast:.2f} {sign} {plan.threshold:.2f}"
    return replace(plan, route="fast" if enough else "deep", p_fast=p_fast, because=because)


def shares_now(fleet: FleetView, rules: Rules, at: datetime) -> dict[str, dict[str, float]]:
    """Each hosted target that has equals: "order" or a task to its share of ordinary requests."""
    standing = Standing(
        records=fleet.records, resting=fleet.resting, exponents=rules.exponents, at=at
    )
    found: dict[str, dict[str, float]] = {}
    for where, order in {"order": rules.order, **rules.tasks}.items():
        for names in groups(order):
            group = [fleet.hosted[name] for name in names if name in fleet.hosted]
            group = [target for target in group if not target.local]
            if len(group) > 1:
                for target, share in zip(group, group_shares(group, standing), strict=True):
                    found.setdefault(target.name, {})[where] = share
    return found


def may_draft(request: ChatRequest) -> bool:
    """True when a draft may be spliced in front: plain text asked, plain text expected."""
    plain = not (request.tools or request.response_format or request.has_media or request.logprobs)
    return plain and bool(request.messages) and request.messages[-1].role == "user"


def inability(request: ChatRequest, card: ModelCard, *, tokens: int | None = None) -> str:
    """Why this model cannot take the request; empty when it can."""
    can = card.abilities
    kinds = {part.kind for m in request.messages for part in m.parts if isinstance(part, Media)}
    checks = (
        (bool(request.tools) and not can.tools, "it has no tools"),
        ("image" in kinds and not can.vision, "it sees no images"),
        ("document" in kinds and not can.documents, "it reads no documents"),
        ("audio" in kinds and not can.audio, "it hears no audio"),
        ("video" in kinds and not can.video, "it sees no video"),
        (_wants_schema(request) and not can.json_schema, "it has no JSON schema output"),
    )
    for wrong, why in checks:
        if wrong:
            return f"{card.name}: {why}"
    if card.window is None:
        return ""
    needed = (tokens or estimate_prompt(request)) + min(
        request.max_tokens or _DEFAULT_ANSWER_TOKENS, card.window // 4
    )
    if needed > card.window:
        return f"{card.name}: about {needed} tokens do not fit its window of {card.window}"
    return ""


def _wants_schema(request: ChatRequest) -> bool:
    return request.response_format is not None and request.response_format.kind == "json_schema"


def _fast(request: ChatRequest, fleet: FleetView) -> tuple[Target | None, str]:
    """The fast tier if it can take this request, else why not."""
    if fleet.fast is None:
        return None, "no local engine is ready"
    why_not = inability(request, fleet.fast.card)
    return (None, why_not) if why_not else (fleet.fast, "")


def _task(request: ChatRequest, assessment: Assessment | None) -> tuple[str, str]:
    """Its name (the client's word, the user's own task, a built-in one), and what that is like."""
    asked = request.headstart.task
    if assessment is None:
        return asked or "chat", ""
    if asked in (None, assessment.user_task) and assessment.user_task:
        return assessment.user_task, assessment.task
    return asked or assessment.task, ""


def _bar(plan: Plan, rules: Rules) -> Bar:
    return for_task(rules.bars, plan.task, plan.like, rules.bar)


def _deep(
    request: ChatRequest,
    asked: Asked,
    order: Order,
    fleet: FleetView,
    rules: Rules,
    draw: float,
    at: datetime | None,
) -> tuple[tuple[Target, ...], dict[str, float]]:
    """Hosted targets in the order they are asked: able ones, those that rest last; and shares."""
    tokens = estimate_prompt(request)
    if asked.pinned is not None:
        wanted = [(target,) for target in (asked.pinned, *asked.equals)]
    else:
        wanted = [
            tuple(fleet.hosted[name] for name in names if name in fleet.hosted)
            for names in groups(order, rules.order)
        ]
    standing = Standing(
        records=fleet.records,
        resting=fleet.resting,
        exponents=rules.exponents,
        usage=Usage(input=tokens, output=request.max_tokens or ORDINARY.output),
        at=at,
    )
    chain: list[Target] = []
    shares: dict[str, float] = {}
    for group in wanted:
        able = [target for target in group if not inability(request, target.card, tokens=tokens)]
        if len(able) > 1:
            found = group_shares(able, standing)
            shares |= {target.asked_as: share for target, share in zip(able, found, strict=True)}
            able = line_up(able, found, draw)
        chain += able
    chain.sort(key=lambda target: target.name in fleet.resting)  # stable
    return tuple(chain), shares


def _judged(
    plan: Plan,
    request: ChatRequest,
    assessment: Assessment | None,
    why_not_fast: str,
    rules: Rules,
) -> Plan:
    """`auto`: the classifier's chance against the threshold."""
    threshold = request.headstart.threshold
    tuned = f", tuned {rules.tuned}" if rules.tuned and threshold is None else ""
    if threshold is None:
        threshold = for_task(rules.thresholds, plan.task, plan.like, rules.threshold)
    p_fast = assessment.p_fast if assessment else None
    plan = replace(plan, p_fast=p_fast, threshold=threshold)
    fast = plan.rescue
    if fast is None:
        return replace(plan, because=f"only the deep tier can take this: {why_not_fast}")
    if not plan.deep:
        return replace(plan, route="fast", draft=fast, because="no hosted model is usable")
    if p_fast is None:
        draft = fast if may_draft(request) else None
        return replace(plan, draft=draft, because="the classifier gave no answer")
    comparison = f"P(fast is good enough) = {p_fast:.2f}"
    if p_fast >= threshold:
        because = f"{comparison} >= {threshold:.2f} for {plan.task}{tuned}"
        return replace(plan, route="fast", draft=fast, because=because)
    because = f"{comparison} < {threshold:.2f} for {plan.task}{tuned}"
    return replace(plan, draft=fast if may_draft(request) else None, because=because)


def _checked(plan: Plan, request: ChatRequest, fleet: FleetView) -> Plan:
    """The plan, unless it has nobody in it."""
    if plan.deep or plan.draft or plan.rescue:
        return plan
    raise _refusal(request, fleet, "no configured model can take this request")


def _refusal(request: ChatRequest, fleet: FleetView, message: str) -> Unsupported | PromptTooLong:
    """The error that says what stands in the way."""
    hosted = [target for target in fleet.hosted.values() if not target.stands_in_for]
    targets = [*([fleet.fast] if fleet.fast else []), *hosted]
    reasons = list(dict.fromkeys(inability(request, target.card) for target in targets))
    reasons = [reason for reason in reasons if reason]
    detail = "; ".join(reasons[:3]) or "no local engine is ready and no provider key is set"
    if reasons and all("window" in reason for reason in reasons):
        return PromptTooLong(f"{message}: {detail}", param="messages")
    return Unsupported(f"{message}: {detail}")
