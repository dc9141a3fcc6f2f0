"""The sentence gate: where the first complete sentence of a growing text ends.

`first_boundary` is asked again with every piece that arrives. It answers as soon as what follows
the mark can no longer turn it into an abbreviation, a number, an address or an open quotation,
and not before: text that was shown cannot be taken back.

Marks and quotation rules follow Unicode's Sentence_Terminal property (UAX #44) and the "golden
rules" of pragmatic_segmenter, on which tests/router measures it.
"""

from __future__ import annotations

import re

from router import graphemes

# These end a sentence wherever they stand outside quotes: CJK, Indic, Arabic, Ethiopic, Burmese,
# Armenian, Khmer and Tibetan full stops, question and exclamation marks.
_ALWAYS = "。！？｡।॥۔؟።፧።။։។།"
_CLOSERS = "\"'”’“»›)]}」』】）］*_`"
_PAIRS = {"「": "」", "『": "』", "（": "）", "(": ")", "“": "”", "«": "»", "„": "“", "[": "]"}
_CANDIDATE = re.compile(r"[.!?…:;\n" + _ALWAYS + "]")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)", re.MULTILINE)
_MARKER = re.compile(r"\s*([•⁃*\-]?\s*)(\d{1,3}|[a-z])(\.\)|\)|\.)(?=\s)")
_CODE = re.compile(r"`+")
_BULLET = re.compile(r"\s*[•⁃*\-+#]+\s")

# Never the end of a sentence: something always follows them.
_PREPOSITIVE = frozenset(
    "mr mrs ms dr prof st mt gen col lt sgt capt rev hon sr sra srta lic ing sig sig.ra "
    "dott fr hr pres gov sen rep vs no nr vol p pp pg fig eq sec ch z bzw bspw vgl ca cf "
    "e.g i.e eg ie al approx d.h z.b u.a mme mlle art op n° nº куб стр рис т.е т.п ул им см "
    "дж".split()
)
# These may end one: they do when a word that opens sentences follows.
_EITHER = frozenset(
    "co inc ltd corp jr etc u.s u.s.a e.u u.k u.n a.m p.m b.c a.d d.c dept univ est min max "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun ave blvd "
    "rd st usw d.j u.ä м".split()
)
_OPENERS = frozenset(
    "i it he she they we you this that these those the a an there here how what when where "
    "who why which is are was were do does did can could will would should has have had in "
    "on at for but and so if as my your his her their our its not no yes please let also "
    "however then der die das es er sie wir ich ein eine le la les il elle el los las en un "
    "una".split()
)
_WORD = re.compile(r"[^\s]+")


def first_boundary(text: str, *, complete: bool = False) -> int | None:
    """Index just after the first complete sentence, or None while that is not certain.

    `complete`: no more text will come, so the end of the text decides what is still open; None
    then means that there is no sentence in it (blank text).
    """
    boundary = _boundary(text, complete)
    if boundary is None:
        return None
    while graphemes.joined(text, boundary):
        boundary += 1
    return boundary if boundary < len(text) or complete else None


def _boundary(text: str, complete: bool) -> int | None:
    start = len(text) - len(text.lstrip())
    if start == len(text):
        return None
    fence = _FENCE.match(text, start)
    if fence is not None:
        return _after_fence(text, fence, complete)
    marker = _MARKER.match(text)
    body = marker.end() if marker else start
    limit = _next_item(text, marker) if marker else None
    for match in _CANDIDATE.finditer(text, body):
        if limit is not None and match.start() >= limit:
            return limit
        verdict = _judge(text, start, match.start(), complete)
        if verdict is None:
            return None  # undecided: a later mark must not overtake it
        if verdict:
            return verdict
    if limit is not None:
        return limit
    return len(text.rstrip()) if complete else None


def _after_fence(text: str, fence: re.Match[str], complete: bool) -> int | None:
    """A code block is one unit: its end is the line of its closing fence."""
    for closing in _FENCE.finditer(text, fence.end()):
        line_end = text.find("\n", closing.end())
        if closing.group(1).startswith(fence.group(1)) and (line_end >= 0 or complete):
            return line_end if line_end >= 0 else len(text.rstrip())
    return len(text.rstrip()) if complete else None


def _next_item(text: str, marker: re.Match[str]) -> int | None:
    """Where the next item of an inline list begins, as in `1) one 2) two`."""
    bullet, label, closer = marker.groups()
    following = str(int(label) + 1) if label.isdigit() else chr(ord(label) + 1)
    pattern = rf"\s+{re.escape(bullet.strip())}\s*{re.escape(following)}{re.escape(closer)}\s"
    found = re.compile(pattern).search(text, marker.end())
    return found.start() if found else None


def _judge(text: str, start: int, at: int, complete: bool) -> int | None:
    """End index when the mark at `at` ends a sentence, 0 when it does not, None when unsure."""
    mark = text[at]
    if mark == "\n":
        return _judge_newline(text, start, at, complete)
    if mark in ":;":
        return _judge_script_mark(text, at)
    if _inside_quotes(text, start, at):
        return (
            0
            if mark in _ALWAYS or not _closes_quote(text, at)
            else _judge_latin(text, start, at, complete)
        )
    if mark in _ALWAYS:
        return _after_marks(text, at, _ALWAYS, complete)
    return _judge_latin(text, start, at, complete)


def _judge_newline(text: str, start: int, at: int, complete: bool) -> int | None:
    """A blank line, a list item, a heading or a table row ends what stands before it."""
    line = text[start:at].strip()
    if not line:
        return 0
    rest = text[at + 1 :].lstrip(" \t")
    if not rest:
        return len(text[:at].rstrip()) if complete else None
    item = rest[0] in "\n#>|•⁃" or _MARKER.match(rest) or _BULLET.match(rest)
    structured = text[start] in "#|>-*•⁃" or _MARKER.match(text[start:])
    if item or structured or rest.startswith("```") or (line.isascii() and " " not in line):
        return len(text[:at].rstrip())
    if rest[0].isdigit() and len(rest) < 5 and not complete:
        return None  # perhaps the number of a list item
    return 0 if rest[0].islower() or not rest[0].isascii() else len(text[:at].rstrip())


def _judge_script_mark(text: str, at: int) -> int:
    """`:` ends a sentence in Armenian and Arabic, `;` is the Greek question mark."""
    before = next((c for c in reversed(text[:at]) if c.isalpha()), "")
    armenian_or_arabic = "\u0530" <= before <= "\u058f" or "\u0600" <= before <= "\u06ff"
    greek = "\u0370" <= before <= "\u03ff"
    if text[at - 1 : at].isdigit():  # a time
        return 0
    if (text[at] == ":" and armenian_or_arabic) or (text[at] == ";" and greek):
        return at + 1
    return 0


def _after_marks(text: str, at: int, more: str, complete: bool) -> int | None:
    """End of a run of marks and the closing quotes behind it; None while it may still grow."""
    end = at + 1
    while end < len(text) and (text[end] in more or text[end] in _CLOSERS):
        end += 1
    return end if end < len(text) or complete else None


def _inside_quotes(text: str, start: int, at: int) -> bool:
    """True when a bracket, quotation or inline code opened before `at` is still open there."""
    if len(_CODE.findall(text, max(text.rfind("\n", start, at), start), at)) % 2 == 1:
        return True
    open_until = ""
    straight = 0
    for char in text[start:at]:
        if char == '"':
            straight += 1
        elif open_until and char == open_until[-1]:
            open_until = open_until[:-1]
        elif char in _PAIRS:
            open_until += _PAIRS[char]
    return bool(open_until) or straight % 2 == 1


def _closes_quote(text: str, at: int) -> bool:
    """True when the quotation closes right behind the mark (and perhaps more marks)."""
    end = at + 1
    while end < len(text) and text[end] in ".!?… \\":
        end += 1
    return end < len(text) and text[end] in "\"”“»)]'"


def _judge_latin(text: str, start: int, at: int, complete: bool) -> int | None:
    """`.`, `!`, `?` or `…`: look at the word before and the words after."""
    end = at + 1
    while end < len(text) and text[end] in ".!?…":
        end += 1
    end = _spaced_dots(text, end)
    quoted = end
    while quoted < len(text) and text[quoted] in _CLOSERS + "\\":
        quoted += 1
    if quoted == len(text):
        return quoted if complete else None
    following = text[quoted:].lstrip()
    if not following:
        return quoted if complete else None
    glued = not text[quoted].isspace()
    if glued:
        return _judge_glued(text, start, at, end, quoted)
    if following[0].islower() or following[0] in ",;":
        return 0
    if quoted > end and following[0] == "(":  # a citation still belongs to the sentence
        return 0
    if text[at] in "!?…" or end - at > 1:
        return quoted
    return _judge_period(text, start, at, quoted, following, complete)


def _spaced_dots(text: str, end: int) -> int:
    """Skip over an ellipsis written with spaces: `. . . .`."""
    while end + 1 < len(text) and text[end] == " " and text[end + 1] == ".":
        end += 2
        if end + 1 < len(text) and text[end : end + 2] == "..":
            return end - 2  # `. ...and then`: the dots open the next sentence
    return end


def _judge_glued(text: str, start: int, at: int, end: int, quoted: int) -> int:
    """A letter or mark stands right behind: only `world.Today` and CJK text break there."""
    char = text[quoted]
    if not char.isascii() and not char.isupper() and char.isalpha() and text[at] in "!?":
        return quoted
    token = _word_before(text, start, at)
    plain = token.isalpha() and token.islower() and len(token) > 2
    rest = _WORD.match(text, quoted)
    word = rest.group() if rest else ""
    if end - at == 1 and plain and char.isupper() and word.rstrip(".,").isalpha() and len(word) > 1:
        return quoted
    return 0


def _word_before(text: str, start: int, at: int) -> str:
    """The token that ends at the mark, without opening brackets and quotes."""
    begin = max(text.rfind(c, start, at) for c in " \n\t\u00a0") + 1
    return text[max(begin, start) : at].lstrip("([{\"'“„«‘*_")


def _judge_period(
    text: str, start: int, at: int, quoted: int, following: str, complete: bool
) -> int | None:
    """A single period with white space behind it."""
    word_before = _word_before(text, start, at).strip("\u202a\u202c")
    token = word_before.lower()
    word = _WORD.match(following)
    next_word = word.group() if word else ""
    whole = complete or len(next_word) < len(following)
    if token in _EITHER or word_before == "I":
        if not whole:
            return None
        return quoted if next_word.lower().strip("'’\",.!?") in _OPENERS else 0
    if token in _PREPOSITIVE or (len(token) == 1 and token.isalpha()):
        return 0
    if re.fullmatch(r"(\w\.)+\w", token):  # letters with dots: U.S.A, z.B
        return (
            quoted
            if whole and next_word.lower().strip("'’\",.!?") in _OPENERS
            else (0 if whole else None)
        )
    if token.isdigit() and len(token) <= 2:
        return _judge_ordinal(quoted, next_word, whole)
    return quoted


_MONTHS = frozenset(
    "januar februar märz april mai juni juli august september oktober november dezember "
    "jahrhundert januari februari maart mei augustus oktober".split()
)


def _judge_ordinal(quoted: int, next_word: str, whole: bool) -> int | None:
    """`12. Juni` is a date in German and its neighbours; `Seite 12. Dort` is an end."""
    if not whole:
        return None
    return 0 if next_word.lower().strip(".,?!") in _MONTHS else quoted
