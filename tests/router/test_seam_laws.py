"""What holds for every seam, whatever the texts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from router.seam.anchor import anchor, squeeze
from router.seam.splice import Splice

_WRITTEN = st.text(
    st.sampled_from(
        "abcdeABÄßéñ  \n\n.,:;!?'\"“”„«»()[]{}<>|*_`~#>-–—+=/\\0123456789"
        "它在巴黎。これはカー한국어กำहिन्क्ष्अ\u0301\u0308\u200d\ufe0f👩💻👍🏽🇫🇷❤ابت،؟\u00a0\u3000\r\t"
    ),
    max_size=80,
)
_TEXTS = _WRITTEN | st.text(max_size=60)
_PROSE = st.lists(
    st.sampled_from(
        "The river flows north and the boats carry ore to 12 ports. It is old, **very** old! "
        "`code` [link](https://a.b/c) - item\n 1. first\n | cell | 它很 古老。 हिन्दी भाषा 👩‍💻".split(
            " "
        )
    ),
    min_size=1,
    max_size=30,
).map(" ".join)
_BLOCKS = ("|", "-", "*", "+", *"0123456789")  # how a table row or a list item begins


def _shown(splice: Splice, pieces: list[str]) -> str:
    return "".join(splice.feed(piece) or "" for piece in pieces) + splice.finish()


def _joined(transcript: str, reply: str, *, exact: bool = False, cut: bool = False) -> str:
    splice = Splice(transcript, exact=exact, after_sentence=cut)
    return transcript + _shown(splice, [reply])


@st.composite
def _in_pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    return [text[begin:end] for begin, end in pairwise(cuts)]


@given(st.data(), _TEXTS, _TEXTS, st.booleans(), st.booleans())
def test_the_pieces_do_not_matter(
    data: st.DataObject, transcript: str, reply: str, exact: bool, cut: bool
) -> None:
    pieces = data.draw(_in_pieces(reply))
    splice = Splice(transcript, exact=exact, after_sentence=cut)
    assert transcript + _shown(splice, pieces) == _joined(transcript, reply, exact=exact, cut=cut)


@given(st.data(), _PROSE)
def test_the_pieces_do_not_matter_in_prose(data: st.DataObject, answer: str) -> None:
    transcript = answer[: data.draw(st.integers(1, len(answer)))]
    start = data.draw(st.integers(0, len(transcript)))
    reply = (
        data.draw(st.sampled_from(["", "Sure! ", "Of course. Continuing:\n\n"])) + answer[start:]
    )
    pieces = data.draw(_in_pieces(reply))
    splice = Splice(transcript, exact=False, after_sentence=False)
    assert transcript + _shown(splice, pieces) == _joined(transcript, reply)


@given(st.data(), _TEXTS | _PROSE)
def test_an_obedient_model_leaves_no_gap_and_no_repeat(data: st.DataObject, answer: str) -> None:
    assume(answer)
    transcript = answer[: data.draw(st.integers(1, len(answer)))]
    asked = anchor(transcript)
    squeezed = squeeze(transcript)
    assume(squeezed.find(squeeze(asked)) == len(squeezed) - len(squeeze(asked)))  # unambiguous
    reply = asked + answer[len(transcript.rstrip()) :]
    assert _joined(transcript, reply) == answer


@given(_TEXTS, _TEXTS, st.booleans())
def test_native_prefill_is_the_reply_but_for_white_space(
    transcript: str, reply: str, cut: bool
) -> None:
    shown = transcript.rstrip()
    assume(not any(reply.startswith(shown[at:]) for at in range(max(0, len(shown) - 3))))
    added = _joined(transcript, reply, exact=True, cut=cut)[len(transcript) :]
    white = transcript[len(transcript.rstrip()) :]
    if not white and not cut:
        assert added == reply
    assert added.lstrip() == reply.lstrip()
    kept = added[: len(added) - len(added.lstrip())]
    said = reply[: len(reply) - len(reply.lstrip())]
    block = shown.rpartition("\n")[2].lstrip().startswith(_BLOCKS)  # prose must not join it
    allowed = {" ", "\n", "\n\n"} if block else {" ", "\n"}
    assert said.endswith(kept) or (not said and kept in allowed)


@given(st.integers(10, 200), st.integers(1, 9), st.booleans())
def test_an_echo_of_a_native_prefill_is_dropped(length: int, piece: int, cut: bool) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    transcript = words[:length]
    splice = Splice(transcript, exact=True, after_sentence=cut)
    pieces = [words[at : at + piece] for at in range(0, len(words), piece)]
    assert transcript + _shown(splice, pieces) == words


@given(_PROSE, st.sampled_from([" ", "\n", "\n\n"]))
def test_native_prefill_may_say_again_what_it_was_given(answer: str, gap: str) -> None:
    """A refrain, an equal row: with white space between them no host has echoed anything."""
    assume(answer.strip())
    assert _joined(answer.strip(), gap + answer, exact=True) == answer.strip() + gap + answer


@pytest.mark.parametrize("text", ["ha", "No.", "ha ha ha ", "la la la la", "0101", "|--|--|"])
def test_native_prefill_may_repeat_what_is_short_or_repeats_itself(text: str) -> None:
    assert _joined(text, text.strip(), exact=True) == text + text.strip()


@given(_TEXTS, _TEXTS, st.booleans(), st.booleans())
@example("A dog", "A dog. It barks.", False, False)
def test_nothing_is_taken_back_or_made_up(
    transcript: str, reply: str, exact: bool, cut: bool
) -> None:
    whole = _joined(transcript, reply, exact=exact, cut=cut)
    assert whole.startswith(transcript)
    added = whole[len(transcript) :]
    assert reply.endswith(added) or (added[0] in " \n" and reply.endswith(added[1:]))


@given(_PROSE, st.data())
def test_a_restarting_model_leaves_no_gap_and_no_repeat(answer: str, data: st.DataObject) -> None:
    answer = f"What the river carries. {answer}"
    transcript = answer[: data.draw(st.integers(24, len(answer)))]
    joined = _joined(transcript, transcript.rstrip() + answer[len(transcript.rstrip()) :])
    assert squeeze(joined) == squeeze(answer)


@given(
    st.lists(st.sampled_from("river boat ore oil Rhine flows carries a the".split()), min_size=2)
)
def test_what_is_no_repetition_is_shown_whole(words: list[str]) -> None:
    numbered = [f"{word}{number}" for number, word in enumerate(words)]
    for at in range(1, len(words)):
        transcript, reply = " ".join(numbered[:at]), " ".join(numbered[at:])
        assert _joined(transcript, reply) == f"{transcript} {reply}"


@given(
    _TEXTS | _PROSE,
    _TEXTS,
    st.sampled_from([" zebra", "斑马", " 9", "-x", "\nzebra"]),
    st.booleans(),
)
@example("```py\nx\n`", "``\n\n", " zebra", False)
def test_nothing_is_held_for_ever(transcript: str, begin: str, more: str, exact: bool) -> None:
    splice = Splice(transcript, exact=exact, after_sentence=False)
    reply = begin + more * (1 + (len(transcript) + 200) // len(more))
    assert splice.feed(reply) is not None


@given(_TEXTS)
def test_the_anchor_is_the_end_of_the_text_in_one_line(transcript: str) -> None:
    asked = anchor(transcript)
    assert squeeze(transcript).endswith(squeeze(asked))
    assert bool(asked) == bool(transcript.strip())
    assert asked.split() == [word for word in asked.split(" ") if word]
