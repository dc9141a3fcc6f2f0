"""The baton: how a new leg goes on from the text that the client already reads.

Two halves. `continuation` asks a model to go on: by native prefill where its card says so, else
by a short instruction in a user turn that asks it to begin with the last words once more. Those
words are the anchor by which `router.seam` joins the reply: it trims what is said twice and mends
white space, without holding back text that cannot be a repetition.

Never an assistant prefill to a model that refuses it (Claude 4.6 and later answer 400), and no
foreign system message (it would change persona and language).
"""

from __future__ import annotations

from dataclasses import replace

from models.chat import ChatRequest, Message, Text
from models.tokens import estimate_tokens
from router.languages import CONTINUE, language_of
from router.seam.anchor import anchor


def continuation(
    request: ChatRequest, transcript: str, *, prefills: bool, instruction: str | None = None
) -> ChatRequest:
    """The request that makes a model go on after `transcript`.

    `prefills`: the model has native prefill. `instruction` replaces the built-in sentence;
    `{tail}` in it stands for the last words of the transcript.
    """
    if not transcript:
        return request
    request = replace(request, max_tokens=_tokens_left(request.max_tokens, transcript))
    if prefills:
        # Anthropic refuses a prefill that ends in white space, chat templates strip it, tokenizers
        # split it badly: the model says it again, and the splice drops it.
        return replace(request, prefill=transcript.rstrip())
    sentence = instruction or CONTINUE[language_of(request.last_user_text or transcript)]
    turns = (
        Message(role="assistant", parts=(Text(text=transcript),)),
        Message(role="user", parts=(Text(text=sentence.replace("{tail}", anchor(transcript))),)),
    )
    return replace(request, messages=(*request.messages, *turns))


def _tokens_left(limit: int | None, transcript: str) -> int | None:
    """What of the client's limit the transcript has not used up; at least 1."""
    return None if limit is None else max(1, limit - estimate_tokens(transcript))
