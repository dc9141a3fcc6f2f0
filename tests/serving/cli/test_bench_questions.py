"""The prompts of a bench: the shipped ones, and files of the user's, right and wrong."""

from pathlib import Path

import pytest

from classifier.assessment import TASKS
from models.errors import ConfigError
from router.languages import language_of
from serving.cli.bench.questions import Question, parse_questions, read_questions


def test_the_shipped_prompts_are_varied() -> None:
    questions = read_questions(None)
    assert len(questions) >= 30
    assert len({question.prompt for question in questions}) == len(questions)
    assert {question.task for question in questions} == set(TASKS) - {"multimodal"}
    assert len({language_of(question.prompt) for question in questions}) >= 10


def test_one_prompt_a_line() -> None:
    assert parse_questions("Why?\n\n  How? \n", "my.txt") == [Question("Why?"), Question("How?")]


def test_json_lines_may_name_the_task_and_more() -> None:
    text = '{"prompt": "Why?"}\n{"prompt": "Sort a list.", "task": "code", "score": 1}\n'
    assert parse_questions(text, "my.jsonl") == [
        Question("Why?"),
        Question("Sort a list.", "code"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n \n", "my.jsonl has no prompts."),
        ('{"prompt": "a"}\nplain', 'line 2 of my.jsonl is not a JSON object with a "prompt": '),
        ('{"question": "a"}', 'line 1 of my.jsonl is not a JSON object with a "prompt": '),
        ('{"prompt": " "}', "line 1 of my.jsonl has an empty prompt."),
        ('{"prompt": "a", "task": "cooking"}', "line 1 of my.jsonl: `cooking` is not a task; "),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_questions(text, "my.jsonl")
    assert refused.value.message.startswith(sentence)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, reason in (("nowhere", "No such file"), ("binary", "it is not UTF-8")):
        with pytest.raises(ConfigError, match=reason):
            read_questions(tmp_path / name)
