"""The ask is what the user wrote last, without what clients wrap around it."""

import time

import pytest

from classifier.text import CLIP_CHARS, WRAPPERS, clip, instruction, read_ask, strip_wrappers
from tests.classifier.asks import IMAGE, RESULT, request, turn, user


def test_a_single_turn() -> None:
    ask = read_ask(user("What is the capital of France, and how many people live there? Tell me."))
    assert ask.text.startswith("What is the capital")
    assert ask.context == ""
    assert ask.chars == len(ask.text)


@pytest.mark.parametrize("tag", WRAPPERS)
def test_wrappers_are_no_words_of_the_user(tag: str) -> None:
    assert strip_wrappers(f"<{tag}>Use the tools.\n</{tag}>Say hello") == "Say hello"
    assert strip_wrappers(f'before<{tag} a="1">x</{tag}>after') == "beforeafter"


def test_marked_words_count_alone() -> None:
    assert (
        strip_wrappers("<rules>be brief</rules>\n<user_query>\nfix it\n</user_query>").strip()
        == "fix it"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "<system-reminder>never closed",
        "<div>hello</div>",
        "x <system-reminders>",
    ],
)
def test_other_marks_stay(text: str) -> None:
    assert strip_wrappers(text) == text


def test_reminder_in_a_part_of_its_own() -> None:
    ask = read_ask(
        request(
            turn("system", "You are a coding agent. " * 200),
            turn(
                "user",
                "<system-reminder>\n" + "Follow the rules. " * 50 + "</system-reminder>",
                "Say hello",
            ),
        )
    )
    assert ask.full == "Say hello"


def test_a_short_ask_leans_on_the_turn_before() -> None:
    chat = request(
        turn("user", "Write a haiku about rain"),
        turn("assistant", "Rain on the window"),
        turn("user", "now in French"),
    )
    assert read_ask(chat).full == "Write a haiku about rain\nnow in French"


def test_a_long_ask_stands_alone() -> None:
    long = "Please explain how a heat pump works, and whether it pays off in an old house in the north."
    assert read_ask(request(turn("user", "hi"), turn("user", long))).context == ""


def test_a_short_system_prompt_is_the_task() -> None:
    translate = turn("system", "Translate everything into German.")
    assert read_ask(request(translate, turn("user", "Good night"))).context == translate.text
    polite = turn("system", "You are a helpful assistant.")
    assert read_ask(request(polite, turn("user", "Good night"))).context == ""


def test_tool_results_are_not_the_ask() -> None:
    chat = request(
        turn("user", "Read hello.txt and tell me the secret word"),
        turn("assistant", "Reading."),
        turn("tool", RESULT),
    )
    assert read_ask(chat).text == "Read hello.txt and tell me the secret word"


def test_media_counts_only_in_the_newest_turn() -> None:
    assert read_ask(request(turn("user", IMAGE))).has_media
    assert read_ask(request(turn("user", "What is this?", IMAGE))).has_media
    assert not read_ask(request(turn("user", IMAGE), turn("user", "Thanks!"))).has_media


def test_only_a_system_prompt() -> None:
    ask = read_ask(request(turn("system", "Answer in rhymes.")))
    assert (ask.text, ask.context) == ("", "Answer in rhymes.")


def test_nothing_at_all() -> None:
    assert read_ask(request()).full == ""


def test_clip_keeps_both_ends() -> None:
    text = "start " + "x" * 1_000_000 + " end"
    assert len(clip(text)) == CLIP_CHARS + 1
    assert clip(text).startswith("start ")
    assert clip(text).endswith(" end")
    assert clip("short") == "short"


@pytest.mark.parametrize("piece", ["<system-reminder>", "<", "</system-reminder>", "<task>", "\n"])
def test_a_megabyte_of_marks_takes_no_time(piece: str) -> None:
    started = time.process_time()
    read_ask(user(piece * (1_000_000 // len(piece))))
    assert time.process_time() - started < 2.0


PASSAGE = "The ferry stops in March. " * 20


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"Summarise this:\n{PASSAGE}", "Summarise this:"),
        (f"{PASSAGE}\n\nWhere does the ferry stop?", "Where does the ferry stop?"),
        (f"Übersetze den Text. {PASSAGE}", "Übersetze den Text."),
        (f"下面的内容翻译成英文。\n{PASSAGE}", "下面的内容翻译成英文。"),
        (
            f"Read the text.\n{PASSAGE}\nWho writes?\nAnswer:",
            "Read the text.\nWho writes?\nAnswer:",
        ),
    ],
)
def test_the_instruction_of_a_long_text_stands_at_its_ends(text: str, wanted: str) -> None:
    assert instruction(text) == wanted


def test_a_short_text_is_its_own_instruction() -> None:
    assert instruction("  hi there\n") == "  hi there\n"


def test_without_anything_that_asks_both_ends_count() -> None:
    assert instruction(f"It rains. {PASSAGE} It is over.") == "It rains.\nIt is over."


@pytest.mark.parametrize("piece", [" ", "\n", ": ", "? ", "a", "give ", "。", "Q: "])
def test_looking_for_the_instruction_is_not_slow(piece: str) -> None:
    started = time.process_time()
    instruction("x" + piece * 8000)
    assert time.process_time() - started < 0.1
