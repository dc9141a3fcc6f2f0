"""The conversation in Gemini's words: a system instruction, then turns of user and model."""

from __future__ import annotations

import mimetypes
from typing import TypeAlias, assert_never

from models.card import ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from router.providers.arguments import as_object, is_object

Block: TypeAlias = dict[str, Json]

# A conversation must begin with the user and, for newer models, end with the user.
_OPENING = "."
_CONTINUE = "Continue exactly where you stopped."

# Google's own value for calls that no Gemini made: without it Gemini 3 and later answer 400 to
# history from another vendor. https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = "skip_thought_signature_validator"

_DEFAULT_TYPES = {
    "image": "image/png",
    "document": "application/pdf",
    "audio": "audio/wav",
    "video": "video/mp4",
}


def conversation(request: ChatRequest, card: ModelCard) -> tuple[list[Block], list[Block]]:
    """The parts of the system instruction and the turns, ending where the model should begin."""
    names: dict[str, str] = {}
    system: list[Block] = []
    turns: list[Block] = []
    for message in request.messages:
        parts = _Parts(names).of(message)
        if message.role == "system":
            system += parts
        elif parts:
            _append(turns, "model" if message.role == "assistant" else "user", parts)
    for turn in turns:
        if turn["role"] == "model":
            _sign_first_call(turn["parts"])
        else:  # results must stand right after the calls they answer
            turn["parts"].sort(key=_is_no_result)
    _close(turns, request, card)
    if not turns:
        system, turns = [], [{"role": "user", "parts": system or [{"text": _OPENING}]}]
    elif turns[0]["role"] == "model":
        turns.insert(0, {"role": "user", "parts": [{"text": _OPENING}]})
    return system, turns


def _is_no_result(part: Block) -> bool:
    return "functionResponse" not in part


def _append(turns: list[Block], role: str, parts: list[Block]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"] += parts
    else:
        turns.append({"role": role, "parts": parts})


def _sign_first_call(parts: list[Block]) -> None:
    """Of calls made together only the first carries a signature, but that one must."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", _UNSIGNED)


def _close(turns: list[Block], request: ChatRequest, card: ModelCard) -> None:
    """End with the prefill, or make sure that a model turn at the end is not refused."""
    can_prefill = card.abilities.prefill != "none"
    if request.prefill:
        assert can_prefill, f"{card.name} does not take a prefill"
        _append(turns, "model", [{"text": request.prefill}])
    elif turns and turns[-1]["role"] == "model" and not can_prefill:
        _append(turns, "user", [{"text": _CONTINUE}])


class _Parts:
    """The parts of one message. Signatures of text find their text, whichever came first."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names  # of the functions called so far, by call id
        self._parts: list[Block] = []
        self._signatures: list[Json] = []  # of texts that have not come yet

    def of(self, message: Message) -> list[Block]:
        for part in message.parts:
            self._add(part)
        self._parts += [{"text": "", "thoughtSignature": sign} for sign in self._signatures]
        return self._parts

    def _add(self, part: Part) -> None:
        match part:
            case Text():
                self._say(part.text)
            case Media():
                self._parts.append(_media(part))
            case Reasoning():
                self._think(part)
            case ToolCall():
                self._names[part.id] = part.name
                self._parts.append(_call(part))
            case ToolResult():
                self._parts += _result(part, self._names)
            case _:
                assert_never(part)

    def _say(self, text: str) -> None:
        if not text:
            return
        said: Block = {"text": text}
        if self._signatures:
            said["thoughtSignature"] = self._signatures.pop(0)
        self._parts.append(said)

    def _think(self, part: Reasoning) -> None:
        """Thoughts go back only where Gemini signed them; it reads nothing from others."""
        text = part.text
        for opaque in part.opaque:
            if opaque.vendor != "gemini":
                continue
            if opaque.kind == "thought_signature":
                self._parts.append(
                    {"text": text, "thought": True, "thoughtSignature": opaque.value}
                )
                text = ""
            elif self._parts and self._parts[-1].keys() == {"text"}:
                self._parts[-1]["thoughtSignature"] = opaque.value
            else:
                self._signatures.append(opaque.value)


def _call(part: ToolCall) -> Block:
    call: Block = {"name": part.name, "args": as_object(part.arguments)}
    if part.id:
        call["id"] = part.id
    block: Block = {"functionCall": call}
    for opaque in part.opaque:
        if opaque.vendor == "gemini":
            block["thoughtSignature"] = opaque.value
    return block


def _result(part: ToolResult, names: dict[str, str]) -> list[Block]:
    """The result by the function's name, then media, which older models take only beside it."""
    text = "".join(piece.text for piece in part.content if isinstance(piece, Text))
    if part.is_error:
        response: Json = {"error": text}
    else:
        response = as_object(text) if is_object(text) else {"output": text}
    answer: Block = {"name": part.name or names.get(part.call_id, ""), "response": response}
    if part.call_id:
        answer["id"] = part.call_id
    media = [_media(piece) for piece in part.content if isinstance(piece, Media)]
    return [{"functionResponse": answer}, *media]


def _media(part: Media) -> Block:
    uri = part.file_id or part.url
    guessed = mimetypes.guess_type(uri)[0] if uri else None
    media_type = part.media_type or guessed or _DEFAULT_TYPES[part.kind]
    if uri:
        return {"fileData": {"mimeType": media_type, "fileUri": uri}}
    return {"inlineData": {"mimeType": media_type, "data": part.data}}
