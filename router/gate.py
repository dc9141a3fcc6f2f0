"""The sentence gate: holds a draft until its first complete sentence stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from classifier.draft import DraftSignals
from models.stream import Finished, StreamEvent, TextDelta, TokenLogprob
from router.cuts import last_break
from router.sentences import first_boundary

_LONGEST = 600  # characters: a draft without a sentence end in them is cut at a line or a word


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the draft is of its first sentence: natural-log probabilities of its tokens."""

    mean: float | None = None  # None: the engine gave none
    minimum: float | None = None
    tokens: int = 0
    words: tuple[TokenLogprob, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(cls, logprobs: Sequence[TokenLogprob]) -> Confidence:
        """Mean and minimum over the tokens."""
        if not logprobs:
            return cls()
        values = [token.logprob for token in logprobs]
        return cls(sum(values) / len(values), min(values), len(values), tuple(logprobs))

    @property
    def signals(self) -> DraftSignals:
        """All that the tokens tell, as the judge of drafts reads it."""
        return DraftSignals.of(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How sure a draft must be of its first sentence to be shown.

    minimum: a token to which the model itself gave one chance in a thousand. In 108 first
    sentences of the demo model at temperature 0 (`python -m scripts.bench.confidence`) the worst
    is -3.9: nothing ordinary is held. At 0.7 it holds 14 of 108, 13 of them nonsense, and 3 of
    these would pass the mean.
    """

    mean: float = -1.5
    minimum: float = -7.0

    def missed_by(self, confidence: Confidence) -> str:
        """What is under the bar, in words; empty when the draft is sure enough or nothing is known."""
        checks = (
            ("mean log-probability", confidence.mean, self.mean),
            ("least likely token", confidence.minimum, self.minimum),
        )
        for what, found, least in checks:
            if found is not None and found < least:
                return f"{what} {found:.2f} < {least:.2f}"
        return ""


USUAL = Bar()


class Gate:
    """A draft's events in the order they came, none of them shown yet."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[StreamEvent] = []
        self.trusted = False  # looked at a second time, and sure enough to be shown
        self.finish: Finished | None = None
        self.text = ""

    def hold(self, event: StreamEvent) -> None:
        """Keep one more event of the draft."""
        self.events.append(event)
        if isinstance(event, TextDelta):
            self.text += event.text

    def take(self) -> list[StreamEvent]:
        """The events that were not taken yet."""
        taken, self.events = self.events, []
        return taken

    def sentence(self) -> int | None:
        """Length of the first complete sentence; None while the draft must go on to have one."""
        boundary = first_boundary(self.text, complete=self.finish is not None)
        if boundary is None and len(self.text) > _LONGEST:
            return last_break(self.text)
        if boundary is None and self.finish is not None:
            return 0  # it ended without a word
        return boundary

    def confidence(self, length: int) -> Confidence:
        """Log-probabilities of the tokens in the first `length` characters."""
        tokens: list[TokenLogprob] = []
        seen = 0
        for event in self.events:
            if seen >= max(length, 1):
                break
            if isinstance(event, TextDelta):
                seen += len(event.text)
                tokens.extend(event.logprobs)
        return Confidence.of(tokens)
