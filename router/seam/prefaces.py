"""What models say to whoever asked them to go on, before they do.

`_POLITE`: a word that may as well belong to the answer ("Of course, ..."). `_ANNOUNCED`: talk of
the answer itself ("Here is the rest:"). A phrase that ends in a mark only counts with that mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.seam.folding import Folded, fold, is_unspaced, is_word

_POLITE = {
    "en": "sure|of course|certainly|absolutely|okay|ok|alright|all right|no problem|got it|understood|gladly",
    "de": "natürlich|gerne|gern|klar|selbstverständlich|alles klar|verstanden|sicher",
    "fr": "bien sûr|d'accord|certainement|très bien|avec plaisir|entendu",
    "es": "claro|por supuesto|desde luego|de acuerdo|entendido|vale",
    "it": "certo|certamente|va bene|volentieri",
    "pt": "com certeza|está bem|claro que sim",
    "nl": "natuurlijk|zeker|oké|uiteraard",
    "pl": "oczywiście|jasne|pewnie|dobrze",
    "ru": "конечно|хорошо|разумеется|понял|ладно",
    "zh": "好的|当然|当然可以|没问题|明白了",
    "ja": "はい|もちろん|もちろんです|承知しました|わかりました|了解しました|かしこまりました",
    "ko": "네|물론입니다|물론이죠|알겠습니다",
    "ar": "بالطبع|بالتأكيد|حسنًا|حسنا|طبعًا",
    "hi": "ज़रूर|बिल्कुल|ठीक है|अवश्य",
}
_ANNOUNCED = {
    "en": "here is the rest|here's the rest|here is the continuation|here's the continuation"
    "|here are the remaining steps|here are the remaining items|here are the remaining rows"
    "|here is the remaining part|here's the remaining part|here is the remaining code"
    "|here is the remaining text|here is the complete answer|here's the complete answer"
    "|here's a complete answer|continuing:|continuing...|continuing from where|continuing from there"
    "|continuing where i left off|continuing where it left off|continuing where we left off"
    "|continuing my answer|continuing my response|continuing the answer|continuing the response"
    "|continuing the list:|continuing the code:|continuing the table:|continuation:|continued:"
    "|(continued)|[continued]|(continuing|to continue:|let me continue:|let me continue from where"
    "|i'll continue:|i'll continue from where|i will continue from where|i'll pick up where i left"
    "|picking up where i left off|picking up where we left off|picking up from where"
    "|resuming from where|resuming where|i'd be happy to continue|i'm happy to continue"
    "|happy to continue|sorry about that.|sorry about that!|sorry for the interruption"
    "|sorry, my answer|sorry for the confusion.|i'm sorry for the confusion."
    "|i apologize for the confusion.|i apologize for the interruption|i apologize for the cut"
    "|i apologise for the interruption|apologies for the interruption"
    "|my apologies for the interruption|i'll make sure to provide the correct answer"
    "|my answer was cut|my response was cut|my answer broke off",
    "de": "hier ist der rest|hier der rest|hier kommt der rest|hier ist die fortsetzung"
    "|hier die fortsetzung|hier geht es weiter:|hier geht's weiter:|ich fahre fort:"
    "|ich mache weiter:|weiter geht's:|fortsetzung:|(fortsetzung)|entschuldige die unterbrechung"
    "|entschuldigung für die unterbrechung|entschuldigen sie die unterbrechung",
    "fr": "voici la suite|voici le reste|je continue:|je poursuis:|je reprends:|je reprends là où je"
    "|suite:|(suite)|désolé pour l'interruption|désolée pour l'interruption"
    "|je m'excuse pour l'interruption|toutes mes excuses pour l'interruption",
    "es": "aquí está el resto|aquí tienes el resto|aquí está la continuación|continúo:"
    "|aquí tienes la continuación|continúo desde donde|continuación:|(continuación)|sigo:"
    "|perdón por la interrupción|lamento la interrupción|disculpa la interrupción",
    "it": "ecco il resto|ecco il seguito|ecco la continuazione|continuo:|riprendo:"
    "|scusa per l'interruzione|mi scuso per l'interruzione",
    "pt": "aqui está o resto|aqui está o restante|aqui está a continuação|continuando:|continuação:"
    "|desculpe a interrupção|desculpe pela interrupção|peço desculpa pela interrupção",
    "nl": "hier is de rest|hier is het vervolg|ik ga verder:|vervolg:"
    "|sorry voor de onderbreking|excuses voor de onderbreking",
    "pl": "oto reszta|oto ciąg dalszy|oto dalszy ciąg|kontynuuję:|kontynuując:|ciąg dalszy:"
    "|przepraszam za przerwę|przepraszam za przerwanie",
    "ru": "вот продолжение|вот остальная часть|вот оставшаяся часть|продолжаю:|продолжаю с того"
    "|продолжение:|извините за прерывание|извини за прерывание|прошу прощения за прерывание",
    "zh": "以下是剩余|以下是其余|以下是后续内容|以下是续写|接上文|接着上文|继续:|继续上文|我继续:"
    "|抱歉中断|很抱歉中断|抱歉,刚才|抱歉,回答中断",
    "ja": "続きです|以下が続きです|以下は続きです|続きは以下の通り|続きを書きます|続けます。"
    "|では、続けます|では続けます|それでは続けます|それでは、続き|回答が中断して|途中で切れてしまい"
    "|回答が途切れて",
    "ko": "계속하겠습니다|계속해서 작성하겠습니다|이어서 작성하겠습니다|이어서 쓰겠습니다|나머지 내용입니다"
    "|다음은 나머지 내용입니다|중단되어 죄송합니다|답변이 끊겨 죄송합니다",
    "ar": "إليك البقية|إليك بقية|إليك التكملة|إليك تتمة|تتمة:|متابعة:|سأكمل من حيث|سأتابع من حيث"
    "|أعتذر عن الانقطاع|عذرًا على الانقطاع|آسف على الانقطاع",
    "hi": "यह रहा बाकी|यहाँ बाकी|ये रहा शेष|यहाँ शेष|आगे का भाग:|जारी रखते हुए:|रुकावट के लिए क्षमा",
}
# What stands in brackets behind a heading that is repeated.
CONTINUED = (
    "continued cont. cont'd Fortsetzung suite continuación continua continuação vervolg cd. "
    "продолжение 续 接上 続き 계속 تتمة जारी".split()
)
_BREAKS = re.compile(r"(?:[ \t]*\r?\n)*")
_RULE = re.compile(r"(?:-{3,}|\*{3,}|_{3,})[ \t]*\n\s*(?=\S)")
_RULE_BEGUN = re.compile(r"\s*(?:-*|\**|_*)\s*")


@dataclass(frozen=True, slots=True)
class Skip:
    """A part of the reply that may have to go."""

    end: int  # where the reply goes on; -1 while more of it must be seen
    sure: bool = False  # it goes; otherwise only when a repetition follows


WAIT = Skip(-1)


class _Phrases:
    """Folded phrases, and the clause that each of them begins."""

    def __init__(self, phrases: dict[str, str], *, longest: int, ends: str) -> None:
        """`longest`: how much may stand between the phrase and one of the marks that end it."""
        words = "|".join(phrases.values()).split("|")
        self._folded = {"".join(map(fold, word)) for word in words}
        self._clause = re.compile(rf"[^\n{ends}]{{0,{longest}}}(?:[{ends}]+|\n)")
        self._begun = re.compile(rf"[^\n{ends}]{{0,{longest}}}$")

    def clause(self, text: str, said: Folded) -> int | None:
        """Behind the clause that a text begins with; -1 while that is open, None if there is none."""
        letters = "".join(said.letters)
        if any(phrase.startswith(letters) for phrase in self._folded):
            return -1
        phrase = max(filter(letters.startswith, self._folded), key=len, default="")
        if not phrase:
            return None
        behind = said.origins[len(phrase) - 1] + 1
        if phrase[-1] in ".!:)]。":
            return behind
        if not _ends_word(phrase, text[behind : behind + 1]):
            return None
        clause = self._clause.match(text, behind)
        if clause is not None:
            return clause.end()
        return -1 if self._begun.match(text, behind) else None


_TALK = _Phrases(_ANNOUNCED, longest=80, ends=":.!…：。！")
_COURTESY = _Phrases(_POLITE, longest=8, ends=",.!:，،。！：、—–")


def preface(text: str, at: int, *, answers: bool) -> Skip | None:
    """Something said to whoever asked for the rest.

    `answers`: in a dialogue, or behind a question, "Sure!" belongs to the text.
    """
    spoken = text[at:].lstrip("¡¿")
    at = len(text) - len(spoken)
    said = Folded(spoken)
    talk, courtesy = _TALK.clause(spoken, said), _COURTESY.clause(spoken, said)
    if talk is not None and talk >= 0:
        return behind_clause(text, at + talk, sure=True)
    if courtesy is not None and courtesy >= 0:
        return behind_clause(
            text, at + courtesy, sure=spoken[courtesy - 1] in "!！" and not answers
        )
    return None if talk is courtesy is None else WAIT


def _ends_word(phrase: str, behind: str) -> bool:
    """True when the phrase is not just the beginning of a longer word."""
    return not is_word(behind) or is_unspaced(phrase[-1]) or not is_word(phrase[-1])


def behind_clause(text: str, end: int, *, sure: bool) -> Skip:
    """Behind a preface: closing marks, blank lines and a rule belong to it."""
    while end < len(text) and text[end] in "*_)]】）":
        end += 1
    breaks = _BREAKS.match(text, end)
    assert breaks is not None
    if _RULE_BEGUN.fullmatch(text, breaks.end()):
        return Skip(-1, sure=sure)
    if rule := _RULE.match(text, breaks.end()):
        return Skip(rule.end(), sure=sure)
    if breaks.end() == end:  # on the same line
        return Skip(end + len(text[end:]) - len(text[end:].lstrip()), sure=sure)
    return Skip(breaks.end(), sure=sure)
