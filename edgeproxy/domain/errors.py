"""Every error that a client can see, one class each: it owns its HTTP status, `error_type` and OpenAI `type`.

`error_type` is the contract's vocabulary (2.6). Messages say what was wrong and what would work; they never repeat a
secret, a header or an address of the inside.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class EdgeproxyError(Exception):
    """The base of what edgeproxy raises on purpose."""


class ConfigError(EdgeproxyError):
    """A configuration that cannot be used. `control.config` adds file, line and column."""


class CallError(EdgeproxyError):
    """An error that ends a call. `metadata` goes to the client as it is."""

    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "server"
    openai_type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        availability: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.metadata = dict(metadata or {})
        self.availability = availability
        self.retry_after_s = retry_after_s

    def shown(self) -> dict[str, Any]:
        """The `error` object of contract 2.6, with OpenAI's `type` and `param` beside it."""
        shown: dict[str, Any] = {
            "code": self.status,
            "message": self.message,
            "type": self.openai_type,
            "param": self.param,
            "metadata": {"error_type": self.error_type} | self.metadata,
        }
        if self.availability:
            shown["availability"] = dict(self.availability)
        return shown


class InvalidRequest(CallError):
    status = 400
    error_type = "invalid_request"
    openai_type = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    error_type = "context_length_exceeded"


class ContentPolicyViolation(InvalidRequest):
    error_type = "content_policy_violation"


class Unauthenticated(CallError):
    status = 401
    error_type = "authentication"
    openai_type = "authentication_error"


class PaymentRequired(CallError):
    status = 402
    error_type = "payment_required"
    openai_type = "insufficient_quota"


class PermissionDenied(CallError):
    status = 403
    error_type = "permission_denied"
    openai_type = "permission_error"


class NotFound(CallError):
    status = 404
    error_type = "not_found"
    openai_type = "invalid_request_error"


class MethodNotAllowed(InvalidRequest):
    status = 405


class RequestTimeout(CallError):
    status = 408
    error_type = "timeout"
    openai_type = "invalid_request_error"


class PayloadTooLarge(CallError):
    status = 413
    error_type = "payload_too_large"
    openai_type = "invalid_request_error"


class UnsupportedMediaType(InvalidRequest):
    status = 415


class Misdirected(InvalidRequest):
    status = 421


class Unprocessable(CallError):
    status = 422
    error_type = "unprocessable"
    openai_type = "invalid_request_error"


class RateLimited(CallError):
    status = 429
    error_type = "rate_limit_exceeded"
    openai_type = "rate_limit_error"


class HeadersTooLarge(InvalidRequest):
    status = 431


class InternalError(CallError):
    """Our own bug. The message is always the same."""


class NotSupported(InvalidRequest):
    status = 501


class ProviderUnavailable(CallError):
    status = 502
    error_type = "provider_unavailable"


class ProviderOverloaded(CallError):
    status = 503
    error_type = "provider_overloaded"


class Draining(ProviderOverloaded):
    """This node is shutting down; another one will answer."""


class Overloaded(ProviderOverloaded):
    """This node is short of memory."""


class ProviderTimeout(CallError):
    status = 504
    error_type = "timeout"
