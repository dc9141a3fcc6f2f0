"""In which language a conversation is held, as far as the baton needs to know."""

from __future__ import annotations

import re

# {tail} is the end of what was written so far; the model begins with it, so that the seam is exact.
CONTINUE = {
    "en": "Your answer broke off. Begin with its last words, “{tail}”, and go on from there to the end. No comment, no apology.",
    "de": "Deine Antwort brach ab. Beginne mit ihren letzten Worten, „{tail}“, und schreibe von dort bis zum Ende weiter. Kein Kommentar, keine Entschuldigung.",
    "fr": "Ta réponse s'est interrompue. Commence par ses derniers mots, « {tail} », et poursuis jusqu'à la fin. Sans commentaire ni excuse.",
    "es": "Tu respuesta se cortó. Empieza con sus últimas palabras, «{tail}», y continúa desde ahí hasta el final. Sin comentarios ni disculpas.",
    "it": "La tua risposta si è interrotta. Comincia con le sue ultime parole, «{tail}», e prosegui da lì fino alla fine. Senza commenti né scuse.",
    "pt": "A tua resposta foi cortada. Começa pelas últimas palavras, “{tail}”, e continua a partir daí até ao fim. Sem comentários nem desculpas.",
    "nl": "Je antwoord brak af. Begin met de laatste woorden, “{tail}”, en ga vandaar door tot het einde. Geen commentaar, geen excuses.",
    "pl": "Twoja odpowiedź się urwała. Zacznij od jej ostatnich słów, „{tail}”, i pisz dalej do końca. Bez komentarza i bez przeprosin.",
    "ru": "Твой ответ оборвался. Начни с его последних слов, «{tail}», и продолжай оттуда до конца. Без комментариев и извинений.",
    "zh": "你的回答中断了。请从最后几个字“{tail}”开始，接着写到结束。不要评论，不要道歉。",
    "ja": "回答が途中で切れました。最後の言葉「{tail}」から始めて、続きを最後まで書いてください。コメントや謝罪は不要です。",
    "ko": "답변이 끊겼습니다. 마지막 말 “{tail}”부터 시작해서 끝까지 이어 쓰세요. 설명이나 사과는 하지 마세요.",
    "ar": "انقطعت إجابتك. ابدأ بآخر كلماتها «{tail}» ثم أكمل من هناك حتى النهاية. بلا تعليق ولا اعتذار.",
    "hi": "आपका उत्तर बीच में रुक गया। उसके अंतिम शब्दों “{tail}” से शुरू करके अंत तक लिखें। कोई टिप्पणी या क्षमा नहीं।",
}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_WORDS = {
    "de": "der die das und ist nicht ein eine wie was warum ich du wir mit für auf den dem bitte kannst sind",
    "fr": "le la les et est une des que qui pourquoi comment je tu nous avec pour dans sur peux quelle quel",
    "es": "el la los las y es una que qué por cómo yo tú con para en del puedes cuál son está",
    "it": "il lo la gli e è una che perché come io tu con per nel della sono puoi qual di",
    "pt": "o a os as e é uma que porquê como eu você com para em do da não são qual",
    "nl": "de het een en is niet wat waarom hoe ik jij met voor op van kun zijn",
    "pl": "i jest nie co jak dlaczego ja ty z dla na w się czy to są",
    "en": "the a an and is are not what why how i you with for on of in to can does do please",
}
_SHORT = "an as at be by he if it no or so we all any her his one out per she con des par".split()
_VOCABULARY = {language: frozenset(words.split()) for language, words in _WORDS.items()}

_COMMON = frozenset(_SHORT).union(*_VOCABULARY.values())


def is_common_word(word: str) -> bool:
    """True for a word that is too common to be the beginning of another that was broken off."""
    return word.lower() in _COMMON


def language_of(text: str) -> str:
    """Two-letter code of the language, English when in doubt. Looks at the first 500 characters."""
    sample = text[:500]
    for language, script in _SCRIPTS:
        if len(script.findall(sample)) * 4 > len(re.findall(r"\w", sample)):
            return language
    words = re.findall(r"[^\W\d_]+", sample.lower())
    hits = {lang: sum(w in known for w in words) for lang, known in _VOCABULARY.items()}
    best = max(hits, key=lambda lang: (hits[lang], lang == "en"))
    return best if hits[best] else "en"
