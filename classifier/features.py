"""The form of an ask as numbers: length, code, mathematics, scripts, cues. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from classifier.assessment import Task
from classifier.cues import CUES
from classifier.text import Ask
from models.chat import ChatRequest

Vector = NDArray[np.float32]

EDGE_CHARS = 240  # instructions stand in the first or the last lines
OPENING_CHARS = 40

_RANGES: dict[str, tuple[tuple[int, int], ...]] = {  # share of characters, by code point
    "digits": ((0x30, 0x39),),
    "letters": ((0x41, 0x5A), (0x61, 0x7A)),
    "capitals": ((0x41, 0x5A),),
    "code_marks": ((0x28, 0x29), (0x3B, 0x3E), (0x5B, 0x5D), (0x5F, 0x60), (0x7B, 0x7D)),
    "math_marks": (
        (0x24, 0x25),
        (0x2A, 0x2B),
        (0x3C, 0x3E),
        (0x5C, 0x5C),
        (0x5E, 0x5E),
        (0x2200, 0x22FF),
    ),
    "quotes": ((0x22, 0x22), (0x27, 0x27), (0x2018, 0x201F), (0xAB, 0xAB), (0xBB, 0xBB)),
    "spaces": ((0x09, 0x0D), (0x20, 0x20)),
    "accented": ((0xC0, 0x24F),),
    "greek": ((0x370, 0x3FF),),
    "cyrillic": ((0x400, 0x4FF),),
    "arabic": ((0x590, 0x6FF),),
    "devanagari": ((0x900, 0xDFF),),
    "kana": ((0x3040, 0x30FF),),
    "han": ((0x4E00, 0x9FFF),),
    "hangul": ((0xAC00, 0xD7AF),),
    "emoji": ((0x2600, 0x27BF), (0x1F300, 0x1FAFF)),
}
_COUNTS: dict[str, str] = {  # log of how many
    "lines": r"\n",
    "questions": r"[?\uff1f\u061f]",
    "sentences": r"[.!\u3002](?:\s|$)",
    "numbers": r"\d+(?:[.,]\d+)*",
    "colons": r":(?:\s|$)",
    "list_lines": r"(?m)^[ \t]*(?:[-*\u2022]|\d{1,3}[.)])\s",
    "choices": r"(?m)^[ \t]*\(?[A-Ea-e][.):]\s",
    "latex": r"\\[a-z]+\{?|\$[^$\n]{1,200}\$",
    "fences": r"```",
    "indented": r"(?m)^(?: {2,}|\t)\S",
    "names": r"(?<=[a-z,] )[A-Z][a-z]+",
    "years": r"\b(?:1[5-9]|20)\d\d\b",
    "commas": r",",
    "speakers": r"(?m)^[A-Z]\w{1,15}: ",
}
# Patterns are bounded: a prompt made to be slow may not hold the interpreter's lock.
_FLAGS: dict[str, str] = {  # there or not, on the text without space at its ends
    "code_words": r"(?m)\b(?:def|return|import|function|const|var|let|public|void|select|from|where|#include|print|console\.log)\b"
    r".{0,80}[({;=]|^[ \t]*(?:def|class|import|fn|func|package) ",
    "traceback": r"(?i)traceback|exception|error[:\[]|\bat [^\s()]{1,80}\([^()\n]{1,80}:\d+\)|segfault",
    "path": r"(?:^|\s)[\w./-]+\.(?:py|js|ts|tsx|go|rs|java|c|cpp|h|md|txt|json|yml|toml|sh|html|css)\b",
    "boxed": r"boxed",
    "blank": r"_{3,}",
    "ends_open": r"(?:[\w,]|\.\.\.)\Z",
    "ends_question": r"[?\uff1f\u061f]\Z",
    "ends_colon": r":\Z",
    "quoted_block": r"[\"\u201c\u00ab][^\"\u201d\u00bb]{25,400}[\"\u201d\u00bb]",
    "lower_start": r"\A[a-z]",
    "wh_start": r"(?i)^\W*(?:q: )?(?:who|whom|whose|what|when|where|why|which|how)\b",
    "aux_start": r"(?i)^\W*(?:is|are|was|were|do|does|did|can|could|would|should|has|have|will)\b",
    "imperative": r"(?i)^\W*(?:please |pls |can you |could you )?(?:write|make|give|find|list|explain|describe|create|name|tell|show|add|fix"
    r"|use|read|turn|convert|change|put|get|draft|design|implement)\b",
    "i_start": r"(?i)^\W*(?:i|i'm|my|we|you|your)\b",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in {**_COUNTS, **_FLAGS}.items()}

FORM_NAMES: tuple[str, ...] = (
    "log_chars",
    "log_words",
    "word_length",
    "line_length",
    *_RANGES,
    *_COUNTS,
    *_FLAGS,
    *(f"{where}_{cue}" for cue in CUES for where in ("opening", "head", "tail")),
)

_CODE_WORDS = FORM_NAMES.index("code_words")

# Names and patterns in one number: a head fits only the form that it was trained on.
_SHAPE = (FORM_NAMES, _RANGES, _COUNTS, _FLAGS, *(cue.pattern for cue in CUES.values()))
FORM_DIGEST = f"{crc32(repr(_SHAPE).encode()):08x}"


def form(ask: Ask) -> Vector:
    """How the ask looks, in the order of FORM_NAMES."""
    text = ask.full
    size = max(len(text), 1)
    words = text.split()
    values = [
        math.log1p(max(ask.chars, len(text))),
        math.log1p(len(words)),
        sum(map(len, words)) / max(len(words), 1) / 10,
        math.log1p(size / (text.count("\n") + 1)),
    ]
    values += _shares(text)
    values += [math.log1p(len(_COMPILED[name].findall(text))) for name in _COUNTS]
    bare = text.strip()
    values += _flags(bare)
    values += _cues(text)
    return np.asarray(values, np.float32)


def _shares(text: str) -> list[float]:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    size = max(points.size, 1)
    return [
        sum(int(np.count_nonzero((points >= low) & (points <= high))) for low, high in ranges)
        / size
        for ranges in _RANGES.values()
    ]


def _flags(bare: str) -> list[float]:
    """What can stand at the end only is looked for there; what can't be there is not looked for."""
    end, trouble = bare[-3:], _hints_at_trouble(bare)
    return [
        float(
            (name != "traceback" or trouble)
            and _COMPILED[name].search(end if name.startswith("ends_") else bare) is not None
        )
        for name in _FLAGS
    ]


def _hints_at_trouble(text: str) -> bool:
    low = text.lower()
    return any(word in low for word in ("traceback", "exception", "error", "segfault", "("))


def _cues(text: str) -> Iterator[float]:
    head, tail = text[:EDGE_CHARS], text[-EDGE_CHARS:] if len(text) > EDGE_CHARS else ""
    for pattern in CUES.values():
        first = pattern.search(head)
        yield float(first is not None and first.end() <= OPENING_CHARS)
        yield float(first is not None)
        yield float(pattern.search(tail) is not None)


def structure(request: ChatRequest, ask: Ask, shape: Vector) -> dict[str, float]:
    """What the request's build says, whatever its words are: signals for people and for policy."""
    return {
        "prompt_chars": float(ask.chars),
        "context_chars": float(sum(len(m.text) for m in request.messages)),
        "turns": float(sum(m.role == "user" for m in request.messages)),
        "tools": float(len(request.tools)),
        "has_code": float("```" in ask.full or shape[_CODE_WORDS] > 0),
        "has_media": float(request.has_media),
        "wants_json": float(request.response_format is not None),
    }


def named_task(ask: Ask, probabilities: Mapping[Task, float]) -> Task:
    """The likeliest task; media in the newest turn make it multimodal whatever the words say."""
    if ask.has_media:
        return "multimodal"
    return max(probabilities, key=lambda task: probabilities[task])
