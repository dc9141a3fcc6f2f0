"""The well-known providers as rows, and how a row becomes a provider.

A row holds an address, the name of a key's environment variable and the host's quirks. Behaviour
does not belong here: what differs in code is a wire format's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from models.errors import ConfigError
from router.deadline import Deadlines
from router.providers.anthropic import AnthropicFormat
from router.providers.base import WireFormat
from router.providers.gemini import GeminiFormat
from router.providers.http import HttpProvider, LimitHook
from router.providers.openai import COMMON, OpenAIFormat, Quirks
from router.providers.responses import ResponsesFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One provider. `base_url` as its own SDK takes it; `needs` says what to set where it is empty."""

    name: str
    dialect: str = "openai"
    base_url: str = ""
    api_key_env: str = ""
    quirks: Quirks = COMMON
    needs: str = ""


_STRICT = frozenset({"top_k", "name"})

_BUILT_IN = (
    ProviderRow(
        name="anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        api_key_env="ANTHROPIC_API_KEY",
    ),
    ProviderRow(
        name="gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com",
        api_key_env="GEMINI_API_KEY",
    ),
    ProviderRow(
        name="deepseek",
        base_url="https://api.deepseek.com",
        api_key_env="DEEPSEEK_API_KEY",
        quirks=Quirks(
            effort="thinking",
            reasoning_text="always_with_tools",
            prefix_path="/beta/chat/completions",
        ),
    ),
    ProviderRow(
        name="openai",
        base_url="https://api.openai.com/v1",
        api_key_env="OPENAI_API_KEY",
        quirks=Quirks(
            max_tokens="max_completion_tokens", reasoning_text="never", tool_extras=False
        ),
    ),
    ProviderRow(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        api_key_env="OPENROUTER_API_KEY",
        quirks=Quirks(
            refused=frozenset(),
            reasoning_text="never",
            reasoning_opaque="reasoning_details",
            effort="reasoning",
            cache_control=True,
        ),
    ),
    ProviderRow(
        name="tokenmix", base_url="https://api.tokenmix.ai/v1", api_key_env="TOKENMIX_API_KEY"
    ),
    ProviderRow(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        api_key_env="GROQ_API_KEY",
        quirks=Quirks(
            refused=frozenset({"top_k", "logprobs", "top_logprobs", "logit_bias"}),
            for_thinkers={"reasoning_format": "parsed"},  # Qwen's default is <think> in the text
            reasoning_text="never",
            tool_extras=False,
        ),
    ),
    ProviderRow(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        api_key_env="MISTRAL_API_KEY",
        quirks=Quirks(
            refused=_STRICT
            | {"stream_options", "user", "logit_bias", "logprobs", "top_logprobs", "store"},
            seed="random_seed",
            forced_tool="any",
            short_tool_ids=True,
            document="document_url",
            reasoning_text="never",
            tool_extras=False,
        ),
    ),
    ProviderRow(
        name="litellm",
        api_key_env="LITELLM_API_KEY",
        quirks=Quirks(reasoning_opaque="thinking_blocks"),
        needs="the address of your LiteLLM proxy, e.g. http://127.0.0.1:4000/v1",
    ),
    ProviderRow(
        name="portkey",
        base_url="https://api.portkey.ai/v1",
        api_key_env="PORTKEY_API_KEY",
        quirks=Quirks(key_header="x-portkey-api-key"),
    ),
    ProviderRow(name="xai", base_url="https://api.x.ai/v1", api_key_env="XAI_API_KEY"),
    ProviderRow(
        name="moonshot", base_url="https://api.moonshot.ai/v1", api_key_env="MOONSHOT_API_KEY"
    ),
    ProviderRow(
        name="alibaba",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        api_key_env="DASHSCOPE_API_KEY",
    ),
    ProviderRow(
        name="perplexity", base_url="https://api.perplexity.ai", api_key_env="PERPLEXITY_API_KEY"
    ),
    ProviderRow(
        name="azure",
        api_key_env="AZURE_OPENAI_API_KEY",
        quirks=Quirks(
            max_tokens="max_completion_tokens",
            reasoning_text="never",
            tool_extras=False,
            key_header="api-key",
        ),
        needs="your resource's address, e.g. https://NAME.openai.azure.com/openai/v1",
    ),
    ProviderRow(
        name="ollama", base_url="http://127.0.0.1:11434/v1", quirks=Quirks(refused=frozenset())
    ),
    ProviderRow(
        name="lmstudio", base_url="http://127.0.0.1:1234/v1", quirks=Quirks(refused=frozenset())
    ),
    ProviderRow(
        name="vllm", base_url="http://127.0.0.1:8001/v1", quirks=Quirks(refused=frozenset())
    ),
)

ROWS: dict[str, ProviderRow] = {row.name: row for row in _BUILT_IN}


def resolve(
    name: str, *, dialect: str = "", base_url: str = "", api_key_env: str = "", like: str = ""
) -> ProviderRow:
    """The row of this provider, with what configuration overrides.

    An unknown name is a compatible host of its own; `like` gives it another row's quirks.
    """
    row = ROWS.get(name) or replace(ROWS.get(like, ProviderRow(name=name)), name=name)
    row = replace(
        row,
        dialect=dialect or row.dialect,
        base_url=base_url or row.base_url,
        api_key_env=api_key_env or row.api_key_env,
    )
    if not row.base_url:
        needs = row.needs or "its address, e.g. https://HOST/v1"
        raise ConfigError(f"providers.{name}.base_url is not set: give {needs}")
    if row.dialect not in _DIALECTS:
        known = ", ".join(_DIALECTS)
        raise ConfigError(f"providers.{name}.dialect is `{row.dialect}`: use one of {known}")
    return row


def build(
    name: str,
    *,
    dialect: str = "",
    base_url: str = "",
    api_key: str = "",
    headers: Mapping[str, str] | None = None,
    connect: float = Deadlines().connect,
    grace: float = Deadlines().grace,
    uds: str = "",
    like: str = "",
    limited: LimitHook | None = None,
) -> HttpProvider:
    """A provider by its name, ready to ask. Nothing is sent before the first request."""
    row = resolve(name, dialect=dialect, base_url=base_url, like=like)
    return HttpProvider(
        name,
        wire_format(row),
        base_url=row.base_url,
        api_key=api_key,
        headers=headers,
        connect=connect,
        grace=grace,
        uds=uds,
        limited=limited,
    )


def wire_format(row: ProviderRow) -> WireFormat:
    """The wire format of a row's dialect, with the row's quirks where it has them."""
    return _DIALECTS[row.dialect](row.quirks)


_DIALECTS: dict[str, Callable[[Quirks], WireFormat]] = {
    "anthropic": lambda _: AnthropicFormat(),
    "gemini": lambda _: GeminiFormat(),
    "openai": OpenAIFormat,
    "responses": lambda _: ResponsesFormat(),
}
