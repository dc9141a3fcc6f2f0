"""Bags of words: the same words the same buckets, from anywhere in a text, in any script."""

from hypothesis import given
from hypothesis import strategies as st

from classifier.bag import BUCKETS, bag


@given(st.text(max_size=300))
def test_any_text_has_a_bag_of_rising_buckets(text: str) -> None:
    found = bag(text).tolist()
    assert found == sorted(set(found))
    assert all(0 <= at < BUCKETS for at in found)
    assert bool(found) == bool(text.encode("utf-8", "replace").split())


def test_half_a_surrogate_pair_is_no_trouble() -> None:
    assert bag("broken \ud800 text").size == 5


def test_words_count_wherever_they_stand() -> None:
    filler = "so it goes on and on "
    middle = bag(f"{filler * 60} thermodynamics {filler * 60}")
    assert set(bag("thermodynamics").tolist()) <= set(middle.tolist())
    assert not set(bag("thermodynamics").tolist()) <= set(bag(filler * 120).tolist())


def test_case_and_digits_do_not_matter_but_order_does() -> None:
    assert (bag("Add 12 and 34.") == bag("add 56 AND 78.")).all()
    assert set(bag("dog bites man").tolist()) != set(bag("man bites dog").tolist())
    assert bag("12").tolist() != bag("123").tolist()


def test_a_prompt_without_end_is_no_longer_than_its_ends() -> None:
    ends = "start " * 600, "end " * 600
    assert (bag("a".join(ends)) == bag(f"{ends[0]}{'middle ' * 10_000}{ends[1]}")).all()
