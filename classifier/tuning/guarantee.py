"""A threshold whose quality loss is proven, from samples: Learn then Test.

The loss of a request at threshold t is what its quality drops because the fast tier answered:
`deep - fast` where it answers at t (`Sample.until` >= t), else 0. For each t of a fixed grid, the
hypothesis "the mean loss is above max_drop" is tested; thresholds are tested from the most careful
downwards, and the first that is not rejected ends it. This fixed sequence keeps the chance of any
false rejection, and so of a threshold that breaks its promise, at 1 - confidence (Angelopoulos et al.
2021, arXiv:2110.01052).

A server knows the quality only of what its fast tier answered, which is what reached the threshold in
force then (`Sample.floor`). So t is tested on the requests of thresholds up to t alone: they hold all
that the fast tier would answer at t, and as their other losses are 0, their mean loss is at least that
of all traffic. Lower than a task was ever sent to the fast tier, nothing is promised.

The test is a bet against the hypothesis (Waudby-Smith & Ramdas 2023, arXiv:2010.09686): capital is
multiplied by 1 + stake * (max_drop - loss) with each sample, which no stake can make grow in the
mean while the hypothesis is true; so capital reaches 1 / error with a chance of at most `error`
(Ville). It is valid for every distribution and every number of samples, and it needs few of them
where the losses vary little. Hoeffding-Bentkus is valid too, but it needs the losses squeezed into
0..1, and finds nothing on the sizes that users have (scripts/bench/routing_guarantee.py compares).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from classifier.tuning.samples import Floats, Samples

GRID: Floats = np.linspace(1.0, 0.0, 201)  # fixed before any sample is seen: 0.005 apart
BOLDNESS = 0.9  # of the stake that one worst loss would ruin
_ALL_DEEP = 1.0  # the most careful threshold of the grid
_PRIOR_VARIANCE = 0.25
_SEED = 20_210_501  # samples are bet on in a random order, the same in every run
_MOST_MORE = 64  # how many times the samples at hand a forecast looks ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """With this confidence, the mean drop at `threshold` is at most `max_drop`."""

    threshold: float
    max_drop: float
    confidence: float
    samples: int
    drop: float  # as seen in the samples
    interval: tuple[float, float]  # of the true drop; each end holds with this confidence
    deep_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoGuarantee:
    """Nothing could be shown, not even for the most careful threshold."""

    max_drop: float
    confidence: float
    samples: int
    drop: float  # as seen at the threshold that failed
    more: int | None  # about how many more samples of this kind would do; None: no number would


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGuarantees:
    """A promise for each task that has enough samples, and one for all the others together."""

    general: Guarantee | NoGuarantee
    tasks: Mapping[str, Guarantee | NoGuarantee] = field(
        default_factory=dict[str, Guarantee | NoGuarantee]
    )


def guarantee(samples: Samples, max_drop: float, confidence: float) -> Guarantee | NoGuarantee:
    """The lowest threshold that can be promised; `samples` are a random part of the traffic."""
    known = samples.judged
    error = 1.0 - confidence
    found = lowest(known, lambda losses: shown(losses, max_drop, error), explored(samples))
    if found is None:
        losses = _losses(known, _ALL_DEEP)
        return NoGuarantee(
            max_drop=max_drop,
            confidence=confidence,
            samples=losses.size,
            drop=_mean(losses),
            more=_more_needed(losses, max_drop, error),
        )
    losses = _losses(known, found)
    return Guarantee(
        threshold=found,
        max_drop=max_drop,
        confidence=confidence,
        samples=losses.size,
        drop=_mean(losses),
        interval=bounds(losses, confidence),
        deep_share=float((samples.until < found).mean()),
    )


def guarantee_by_task(samples: Samples, max_drop: float, confidence: float) -> TaskGuarantees:
    """The same inside each task, the error shared out among them (Bonferroni).

    Who gets a share is settled by the numbers of samples alone, never by their losses. When all
    hold, so does the drop over all requests.
    """
    known = samples.judged
    names, counts = np.unique(known.tasks, return_counts=True)
    error = 1.0 - confidence
    groups = len(names) + 1
    needed = fewest(max_drop, error / groups)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= needed]
    each = 1.0 - error / (len(large) + 1)
    others = ~np.isin(samples.tasks, large)
    return TaskGuarantees(
        general=guarantee(samples.only(others), max_drop, each),
        tasks={
            name: guarantee(samples.only(samples.tasks == name), max_drop, each) for name in large
        },
    )


def lowest(samples: Samples, passes: Callable[[Floats], bool], least: float = 0.0) -> float | None:
    """The last threshold whose losses pass, tested in the fixed sequence; None: not even the first.

    None is tested that is lower than `least`.
    """
    found: float | None = None
    tested = (-1, -1)  # as many again are the same requests, with the same losses
    grid = candidates(samples.until)
    for threshold in grid[grid >= least].tolist():
        seen = samples.floor <= threshold
        fast = int((seen & (samples.until >= threshold)).sum()), int(seen.sum())
        if fast != tested and not passes(_losses(samples, threshold)):
            break
        found, tested = threshold, fast
    return found


def candidates(until: Floats) -> Floats:
    """The grid, down to the lowest score seen: below it nothing is known."""
    scores = until[until >= 0]
    return GRID[(min(float(scores.min()), 1.0) if scores.size else 1.0) <= GRID]


def explored(samples: Samples) -> float:
    """The lowest threshold down to which every task was sent to the fast tier at some time."""
    tasks = np.unique(samples.tasks)
    return max((float(samples.floor[samples.tasks == task].min()) for task in tasks), default=0.0)


def shown(losses: Floats, max_drop: float, error: float) -> bool:
    """Whether the mean loss is at most `max_drop`: a falsehood is said with chance `error` at most."""
    if not losses.size:
        return False
    order = np.random.default_rng(_SEED).permutation(losses.size)
    return bool(_log_capital(losses[order], max_drop, error).max() >= math.log(1.0 / error))


def bounds(losses: Floats, confidence: float) -> tuple[float, float]:
    """An interval for the mean loss; each end is valid for every distribution."""
    error = 1.0 - confidence
    return -_upper(-losses, error), _upper(losses, error)


def fewest(max_drop: float, error: float) -> int:
    """How many samples even a fast tier that never loses anything needs for the proof."""
    growth = math.log1p(BOLDNESS * max_drop / (1.0 - max_drop))
    return math.ceil(math.log(1.0 / error) / growth) if growth > 0 else 2**31


def _losses(samples: Samples, threshold: float) -> Floats:
    """Of the requests that tell what the fast tier does from this threshold on."""
    seen = samples.only(samples.floor <= threshold)
    return np.where(seen.until >= threshold, seen.drops, 0.0)


def _mean(losses: Floats) -> float:
    return float(losses.mean()) if losses.size else 0.0


def _log_capital(losses: Floats, max_drop: float, error: float) -> Floats:
    """After each sample; each stake is set from the samples before it."""
    n = losses.size
    seen = np.arange(1, n + 1)
    means = np.cumsum(losses) / (seen + 1)
    variances = (_PRIOR_VARIANCE + np.cumsum((losses - means) ** 2)) / (seen + 1)
    before = np.concatenate([[_PRIOR_VARIANCE], variances[:-1]])
    wanted = np.sqrt(2 * math.log(1.0 / error) / (n * before))
    stakes = np.minimum(BOLDNESS / (1.0 - max_drop), wanted)
    return np.cumsum(np.log1p(stakes * (max_drop - losses)))


def _upper(losses: Floats, error: float) -> float:
    """The smallest drop that the samples rule out exceeding; 1 when they rule out nothing."""
    low, high = -1.0, 1.0
    for _ in range(20):  # a larger drop is never harder to show: halving finds the border
        middle = (low + high) / 2
        low, high = (low, middle) if shown(losses, middle, error) else (middle, high)
    return high


def _more_needed(losses: Floats, max_drop: float, error: float) -> int | None:
    """About how many more samples of the same kind would show it."""
    if not losses.size:
        return fewest(max_drop, error) if max_drop > 0 else None
    if losses.mean() >= max_drop:
        return None
    times = 2
    while times <= _MOST_MORE and not shown(np.tile(losses, times), max_drop, error):
        times *= 2
    if times > _MOST_MORE:
        return None
    low, high = losses.size * times // 2, losses.size * times
    while high - low > losses.size // 8 + 1:
        middle = (low + high) // 2
        enough = shown(np.resize(losses, middle), max_drop, error)
        low, high = (low, middle) if enough else (middle, high)
    return high - losses.size
