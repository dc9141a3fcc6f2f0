"""What a tuning found, in sentences: the same on the console, in the report and in the tuned file."""

from __future__ import annotations

from classifier.tuning.confusion import Confusion
from classifier.tuning.curve import Point
from classifier.tuning.distance import Distance
from classifier.tuning.drift import Drift
from classifier.tuning.guarantee import Guarantee, NoGuarantee, fewest
from classifier.tuning.report import TuningReport
from classifier.tuning.targets import Budget, DeepShare, MaxDrop
from classifier.tuning.thresholds import Thresholds
from serving.tuning.tuned import written


def aim(report: TuningReport) -> str:
    """What was asked for."""
    match report.target:
        case MaxDrop(drop=drop, confidence=confidence, by_task=by_task):
            where = " in each task" if by_task else ""
            return (
                f"lose at most {points(drop)}{where} against the deep tier alone, "
                f"with {share(confidence)} confidence"
            )
        case Budget(usd_per_day=usd):
            return f"spend at most {dollars(usd)} a day"
        case DeepShare(share=asked):
            return f"send at most {share(asked)} of the requests to the deep tier"


def advice(report: TuningReport) -> str:
    """In one sentence, what to do."""
    chosen, then = report.choice.thresholds, report.then
    if chosen is None or then is None:
        return _wait(report)
    if _same(chosen, report.current):
        return f"Leave it as it is: {written(report.current)} is the threshold for this target."
    return (
        f"Set the threshold to {written(chosen)} (now {written(report.current)}): "
        f"{share(then.deep_share)} of the requests go deep instead of "
        f"{share(report.now.deep_share)}{_money(report)}."
    )


def promise(report: TuningReport) -> str:
    """What is proven of the chosen thresholds, or why nothing is."""
    proof = report.choice.proof
    if proof is None:
        return _unproven(report)
    if report.choice.thresholds is None:
        return _no_promise(report)
    target = report.target
    assert isinstance(target, MaxDrop)
    found = proof.general
    limit = f"quality drops by at most {points(target.drop)}"
    sure = f"With {share(target.confidence)} confidence, {limit}"
    if target.by_task:
        named = [task for task, each in proof.tasks.items() if isinstance(each, Guarantee)]
        also = " and over all other requests together" if isinstance(found, Guarantee) else ""
        deep = [task for task, each in proof.tasks.items() if isinstance(each, NoGuarantee)]
        rest = f"; {', '.join(deep)} goes to the deep tier" if deep else ""
        return f"{sure} in each of {', '.join(named) or 'no task'}{also}{rest}."
    assert isinstance(found, Guarantee)
    return (
        f"{sure} against asking the deep tier for everything "
        f"({found.samples:,} samples; seen: {points(found.drop)})."
    )


def today(report: TuningReport) -> str:
    """What the samples say of the thresholds in force."""
    quality = report.quality
    if quality is None:
        return "How good the answers are is not known: no sample says."
    low, high = quality.current_interval
    seen = quality.current_drop
    verb = f"lose {points(seen)}" if seen >= 0 else f"gain {points(-seen)}"
    return (
        f"Today's thresholds {verb} against the deep tier alone in these samples "
        f"(between {100 * low:.3g} and {100 * high:.3g})."
    )


def mistakes(confusion: Confusion) -> str:
    """What mistaken tasks cost."""
    named = f"{confusion.requests:,} requests have a task that somebody named"
    if not confusion.mistaken:
        return f"{named}: each was taken for that one."
    usd = [mistake.usd for mistake in confusion.mistakes if mistake.usd is not None]
    lost = [(m.lost, m.requests) for m in confusion.mistakes if m.lost is not None]
    said = f"{named}, and {confusion.mistaken:,} of them were taken for another"
    if not any(usd) and not any(points for points, _ in lost):
        return f"{said}: with today's thresholds and orders that changes nothing that is known."
    known = sum(requests for _, requests in lost)
    quality = sum(points * requests for points, requests in lost) / known if known else 0.0
    money = f"{more_dollars(sum(usd))} in all" if usd else "an unknown number of dollars"
    return (
        f"{said}: with today's thresholds and orders that comes to {money} and "
        f"{100 * -quality:+.2g} points of quality for each of these."
    )


def more_dollars(value: float | None) -> str:
    """A difference, with its sign."""
    if value is None:
        return "?"
    return f"{'-' if value < 0 else '+'}{dollars(abs(value))}"


def drift(found: Drift) -> str:
    """How far the requests have moved from the training data."""
    said = f"These requests are {found.verdict} of the classifier"
    return f"{said}: {prompts(found.distance)}" if found.distance is not None else f"{said}."


def prompts(found: Distance) -> str:
    """How new the prompts are, by their embeddings."""
    p = f"p {'<' if found.p_value < 0.001 else '='} {max(found.p_value, 0.001):.2g}"
    size = f"{found.effect:+.2f} standard deviations, permutation {p}"
    if not found.newer:
        return f"their prompts are as near to the training prompts as those are to one another ({size})."
    most = f", most of all those of {found.farthest}" if found.farthest else ""
    return f"their prompts lie farther from the training prompts than those do from one another ({size}){most}."


def share(value: float) -> str:
    """0.125 as 12.5 %."""
    return f"{100 * value:.3g} %"


def points(value: float) -> str:
    """0.01 as 1 point."""
    hundredths = round(100 * value, 2)
    return f"{hundredths:g} point{'' if hundredths == 1 else 's'}"


def dollars(value: float | None) -> str:
    """With as many digits as say something."""
    if value is None:
        return "?"
    return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.3g}"


def per_thousand(point: Point) -> str:
    """Dollars for a thousand requests."""
    return "?" if point.usd is None else dollars(1000 * point.usd)


def _money(report: TuningReport) -> str:
    then = report.then
    if then is None or then.usd is None or report.now.usd is None:
        return ""
    change = then.usd - report.now.usd
    if report.per_day is not None:
        amount, unit = abs(change) * report.per_day, "a day"
    else:
        amount, unit = abs(change) * 1000, "per 1,000 requests"
    return (
        f", which {'costs' if change > 0 else 'saves'} {dollars(amount)} {unit}" if change else ""
    )


def _wait(report: TuningReport) -> str:
    target, proof = report.target, report.choice.proof
    assert isinstance(target, MaxDrop)
    assert proof is not None
    found = proof.general
    looser = f"ask for less, for example --max-drop {min(5 * target.drop, 0.2):g}"
    if isinstance(found, NoGuarantee) and found.more is not None:
        return f"Collect about {found.more:,} more samples like these, or {looser}."
    return f"Keep asking the deep tier, or {looser}."


def _no_promise(report: TuningReport) -> str:
    target, proof = report.target, report.choice.proof
    assert isinstance(target, MaxDrop)
    assert proof is not None
    found = proof.general
    assert isinstance(found, NoGuarantee)
    least = fewest(target.drop, 1 - target.confidence)
    if found.samples < least:
        return (
            f"Too few samples: with {found.samples:,} not even a fast tier without a fault could be "
            f"proven to lose at most {points(target.drop)}; that takes {least:,}."
        )
    return (
        f"Nothing can be promised: even at the most careful threshold these {found.samples:,} samples "
        f"do not rule out a drop of more than {points(target.drop)} (seen: {points(found.drop)})."
    )


def _unproven(report: TuningReport) -> str:
    then, quality = report.then, report.quality
    if quality is None or then is None or then.quality is None:
        return "This target promises nothing about quality, and no sample says anything of it."
    best = report.sweep.points[0].quality
    assert best is not None
    return (
        "This target promises nothing about quality; in these samples the answers score "
        f"{then.quality:.3f}, the deep tier alone {best:.3f}."
    )


def _same(one: Thresholds, other: Thresholds) -> bool:
    return written(one) == written(other)
