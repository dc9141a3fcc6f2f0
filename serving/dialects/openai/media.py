"""Content parts of a message: text, images, audio, video and documents."""

from __future__ import annotations

import mimetypes
import re
from typing import Literal

from models.chat import Media, Text
from models.errors import RequestError
from serving.dialects.openai import wire

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?:;[^,]*)?;base64,(?P<data>.*)", re.DOTALL)

Kind = Literal["image", "document", "audio", "video"]


def content_parts(content: wire.Content | None, path: str) -> tuple[Text | Media, ...]:
    """The parts of one message; `path` is where it stands, for errors."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(_part(item, f"{path}.content[{i}]") for i, item in enumerate(content))


def _part(item: wire.AnyPart, path: str) -> Text | Media:
    match item:
        case wire.TextPart():
            return Text(text=item.text, cache=item.cache_control)
        case wire.RefusalPart():
            return Text(text=item.refusal, cache=item.cache_control)
        case wire.ImagePart():
            return _linked("image", item.image_url, f"{path}.image_url.url", item.cache_control)
        case wire.VideoPart():
            return _linked("video", item.video_url, f"{path}.video_url.url", item.cache_control)
        case wire.AudioPart():
            audio = item.input_audio
            media_type = f"audio/{audio.format}"
            return Media(
                kind="audio", media_type=media_type, data=audio.data, cache=item.cache_control
            )
        case wire.FilePart():
            return _document(item, path)


def _linked(kind: Kind, link: wire.Url | str, path: str, cache: object) -> Media:
    url, detail = (link, None) if isinstance(link, str) else (link.url, link.detail)
    if url.startswith("data:"):
        media_type, data = _split_data_url(url, path)
        return Media(kind=kind, media_type=media_type, data=data, detail=detail or "", cache=cache)
    if not url.startswith(("https://", "http://")):
        raise RequestError(f"{path}: use an http(s) address or a base64 data URL.", param=path)
    return Media(kind=kind, url=url, detail=detail or "", cache=cache)


def _document(item: wire.FilePart, path: str) -> Media:
    file, name = item.file, item.file.filename or ""
    if file.file_id:
        return Media(kind="document", file_id=file.file_id, name=name, cache=item.cache_control)
    content = file.file_data or ""
    if not content:
        at = f"{path}.file"
        raise RequestError(f"{at}: give `file_data` or `file_id`.", param=at)
    if content.startswith(("https://", "http://")):
        return Media(kind="document", url=content, name=name, cache=item.cache_control)
    media_type = mimetypes.guess_type(name)[0] or "application/pdf"
    if content.startswith("data:"):
        media_type, content = _split_data_url(content, f"{path}.file.file_data")
    return Media(
        kind="document",
        media_type=media_type,
        data=content,
        name=name,
        cache=item.cache_control,
    )


def _split_data_url(url: str, path: str) -> tuple[str, str]:
    found = _DATA_URL.fullmatch(url)
    if not found:
        raise RequestError(
            f"{path}: a data URL must look like `data:image/png;base64,…`.", param=path
        )
    return found["type"], found["data"]
