"""Every way a request can fail.

    HeadstartError
    ├── RequestError            the client's fault: 400
    │   ├── ModelNotFound       404, with near names
    │   ├── PromptTooLong       400 context_length_exceeded
    │   ├── BodyTooLarge        413
    │   ├── Unsupported         400, the model or endpoint cannot do this
    │   ├── AuthenticationError 401, the client's key for this server
    │   ├── ForeignOrigin       403, another site's web page, where there are no client keys
    │   ├── UnknownPath         404
    │   ├── OutcomeNotFound     404, feedback about a request that is not known
    │   ├── NotYours            403, feedback about another client's request
    │   └── WrongMethod         405
    ├── ProviderError           an upstream's fault; `provider` names it
    │   ├── ProviderBadRequest  400/404/413/422: the same request would fail there again
    │   │   └── ProviderPromptTooLong   a larger window may take it
    │   ├── ProviderAuthError   401/403: our key for that provider
    │   ├── RateLimited         429 with hope: wait `retry_after` or go elsewhere
    │   ├── QuotaExhausted      402, hard quota: go elsewhere
    │   ├── Overloaded          503/529/498: go elsewhere at once
    │   ├── ProviderServerError 5xx
    │   ├── ProviderTimeout     a deadline of ours passed (connect, first sentence)
    │   │   └── ProviderStalled     it had begun to answer, then nothing came
    │   ├── ConnectionFailed    refused, reset, TLS, DNS
    │   ├── StreamBroken        the reply ended without its terminator
    │   ├── BadReply            not what that wire format looks like
    │   └── ContentBlocked      the provider's safety system refused the prompt
    ├── EngineError             a local engine: not installed, died, not ready
    ├── StoreUnavailable        503, what was to be kept could not be written
    ├── ConfigError             settings are wrong; start-up stops
    ├── TuningError             the samples do not allow what `tune` was asked for
    ├── InternalError           a fault of ours: the log has the details, the reply has not
    └── DeadlineExceeded        the whole request ran out of time

`retryable` answers one question: can the *same* request to the *same* target succeed soon?
Going to another provider is the dispatcher's decision and does not need it.
"""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override


class HeadstartError(Exception):
    """Root of the tree. `message` is a sentence for a person, with the way out where there is one."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retryable: bool = False

    def __init__(self, message: str) -> None:
        """Keep the sentence."""
        super().__init__(message)
        self.message = message

    @property
    def origin(self) -> str:
        """Who failed: `headstart`, or the provider's name."""
        return "headstart"


class RequestError(HeadstartError):
    """The request is wrong. `param` names the field."""

    status = 400
    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        """Keep the sentence and the field it is about."""
        super().__init__(message)
        self.param = param


class ModelNotFound(RequestError):
    """No such model here."""

    status = 404
    code = "model_not_found"


class PromptTooLong(RequestError):
    """No configured model has a window for this prompt."""

    code = "context_length_exceeded"


class BodyTooLarge(RequestError):
    """The HTTP body is over the limit."""

    status = 413
    code = "request_too_large"


class Unsupported(RequestError):
    """A feature that this model or endpoint does not have."""

    code = "unsupported"


class AuthenticationError(RequestError):
    """The client's key is missing or unknown."""

    status = 401
    code = "invalid_api_key"


class ForeignOrigin(RequestError):
    """A web page of another site calls a server that has no client keys."""

    status = 403
    code = "foreign_origin"


class UnknownPath(RequestError):
    """Nothing is served there."""

    status = 404
    code = "unknown_path"


class OutcomeNotFound(RequestError):
    """No request of that id was answered here."""

    status = 404
    code = "outcome_not_found"


class NotYours(RequestError):
    """The request of that id was another client's."""

    status = 403
    code = "not_yours"


class WrongMethod(RequestError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


class ProviderError(HeadstartError):
    """An upstream failed. `upstream_status` is its HTTP status, 0 when there was none."""

    status = 502
    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        upstream_status: int = 0,
        upstream_code: str = "",
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep what the provider said; `retry_after` is in seconds."""
        super().__init__(message)
        self.provider = provider
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable

    @property
    @override
    def origin(self) -> str:
        """The provider's name."""
        return self.provider or "provider"


class ProviderBadRequest(ProviderError):
    """The provider refused the request as such."""

    status = 400
    code = "provider_rejected_request"


class ProviderPromptTooLong(ProviderBadRequest):
    """The prompt does not fit that model's window."""

    code = "context_length_exceeded"


class ProviderAuthError(ProviderError):
    """Our key for that provider is missing, wrong, or not allowed to do this."""

    code = "provider_auth"


class RateLimited(ProviderError):
    """Too many requests or tokens for now."""

    status = 429
    code = "rate_limited"
    retryable = True


class QuotaExhausted(ProviderError):
    """Money or a hard quota is gone: waiting does not help."""

    status = 429
    code = "quota_exhausted"


class Overloaded(ProviderError):
    """The provider has no capacity now."""

    status = 503
    code = "provider_overloaded"
    retryable = True


class ProviderServerError(ProviderError):
    """The provider failed inside."""

    code = "provider_server_error"
    retryable = True


class ProviderTimeout(ProviderError):
    """A deadline passed while waiting for the provider."""

    status = 504
    code = "provider_timeout"
    retryable = True


class ProviderStalled(ProviderTimeout):
    """The provider had begun to answer, and then nothing came for too long."""

    code = "provider_stalled"


class ConnectionFailed(ProviderError):
    """No connection, or it broke before the reply began."""

    code = "provider_unreachable"
    retryable = True


class StreamBroken(ProviderError):
    """The reply stopped without its terminator."""

    code = "provider_stream_broken"
    retryable = True


class BadReply(ProviderError):
    """The reply is not in the provider's wire format."""

    code = "provider_bad_reply"
    retryable = True


class ContentBlocked(ProviderError):
    """The provider's safety system blocked the prompt."""

    status = 400
    code = "content_filter"


class EngineError(HeadstartError):
    """A local engine cannot serve. The message ends with its last log lines where there are any."""

    status = 503
    code = "engine_unavailable"
    retryable = True


class StoreUnavailable(HeadstartError):
    """What had to be kept could not be written."""

    status = 503
    code = "store_unavailable"
    retryable = True


class ConfigError(HeadstartError):
    """Settings that cannot work, named with file and line where known."""

    code = "bad_config"


class TuningError(HeadstartError):
    """The samples do not allow what `headstart tune` was asked for."""

    code = "tuning_refused"


class InternalError(HeadstartError):
    """A fault of ours. What happened is in the log and not in the message."""


class DeadlineExceeded(HeadstartError):
    """The whole request ran out of time before anything could be shown."""

    status = 504
    code = "deadline_exceeded"
