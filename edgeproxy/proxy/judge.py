"""What a failed attempt means: who is charged, whether another endpoint may try, what the client would see.

The rows are those of the failure table (reliability 2.2). Nothing here acts; `failover` does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from edgeproxy._core import codes
from edgeproxy.domain import errors
from edgeproxy.providers.failures import ProviderError, read_error, retry_after_s
from edgeproxy.proxy.dial import DialError
from edgeproxy.telemetry.metrics import Outcome, UpstreamFault

QUOTA_RETEST_S = CREDENTIAL_RETEST_S = 900.0
CERTIFICATE_RETEST_S = 60.0
GONE_RETEST_S = 300.0
UNFIT = frozenset((405, 421, 423, 424, 425, 426, 498))  # 4xx that speak of the endpoint and not of the caller
SERVER = frozenset((408, 500, 502, 503, 504, *range(520, 531)))


class Effect(Enum):
    FAILED = "failed"
    THROTTLED = "throttled"
    HARD = "hard"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`error` is what the client sees if this was the last attempt. Seconds below zero: not given."""

    effect: Effect
    error: errors.CallError
    scope: int = codes.SCOPE_ENDPOINT
    failure: int = codes.OTHER
    fault: UpstreamFault = UpstreamFault.OTHER
    outcome: Outcome = Outcome.ERROR
    is_retryable: bool = True
    is_application: bool = False  # the provider answered; it may be the request that is at fault
    may_duplicate: bool = False  # the provider may have done the work all the same
    retry_after_s: float = -1.0
    reason: int = 0
    retest_s: float = 0.0
    status: int = 0

    @property
    def not_before_s(self) -> float:
        """How long the endpoint itself asked to be left alone."""
        return self.retry_after_s if self.status in (503, 529) else -1.0


def _unavailable(provider: str, what: str) -> errors.ProviderUnavailable:
    return errors.ProviderUnavailable(f"Provider {what}", metadata={"provider_name": provider})


def judge_dial(error: DialError, missing_in_a_row: int, provider: str) -> Verdict:
    """Rows 1 to 3. The reason stays in the log: an address or certificate is none of the client's business."""
    host: dict[str, Any] = {"scope": codes.SCOPE_HOST}
    if error.kind == "certificate":
        shown = _unavailable(provider, "could not be reached securely")
        return Verdict(
            Effect.HARD, shown, **host, fault=UpstreamFault.TLS, reason=codes.CERTIFICATE, retest_s=CERTIFICATE_RETEST_S
        )
    shown = _unavailable(provider, "could not be reached")
    if error.kind == "nxdomain" and missing_in_a_row >= 2:
        return Verdict(
            Effect.HARD, shown, **host, fault=UpstreamFault.CONNECT, reason=codes.UNRESOLVED, retest_s=GONE_RETEST_S
        )
    failure = {"tls": codes.TLS, "connect": codes.CONNECT}.get(error.kind, codes.DNS)
    fault = UpstreamFault.TLS if error.kind == "tls" else UpstreamFault.CONNECT
    return Verdict(Effect.FAILED, shown, **host, failure=failure, fault=fault)


# result of the relay → (scope, failure class, metric, what happened, may the provider have done the work)
_BROKEN = {
    "reset": (codes.SCOPE_HOST, codes.RESET, UpstreamFault.CONNECT, "closed the connection", True),
    "stale": (codes.SCOPE_HOST, codes.RESET, UpstreamFault.CONNECT, "closed the connection", True),
    "protocol": (codes.SCOPE_HOST, codes.PROTOCOL, UpstreamFault.CUT, "gave no valid HTTP reply", True),
    "truncated": (codes.SCOPE_ENDPOINT, codes.TRUNCATED, UpstreamFault.CUT, "disconnected", True),
    "bad_response": (codes.SCOPE_ENDPOINT, codes.BAD_RESPONSE, UpstreamFault.BAD_SSE, "gave an invalid reply", True),
    "json_reply": (codes.SCOPE_ENDPOINT, codes.BAD_RESPONSE, UpstreamFault.BAD_SSE, "gave an invalid reply", True),
    "too_large": (codes.SCOPE_ENDPOINT, codes.BAD_RESPONSE, UpstreamFault.OTHER, "gave a reply over the limit", True),
    "send": (codes.SCOPE_ENDPOINT, codes.SEND, UpstreamFault.TIMEOUT_IDLE, "did not take the request in time", False),
    "first_event": (
        codes.SCOPE_ENDPOINT,
        codes.TTFT,
        UpstreamFault.TIMEOUT_FIRST_BYTE,
        "did not answer in time",
        True,
    ),
    "stall": (codes.SCOPE_ENDPOINT, codes.STALL, UpstreamFault.TIMEOUT_IDLE, "fell silent", True),
}
_TIMEOUTS = frozenset(("send", "first_event", "stall"))


def judge_break(result: str, provider: str) -> Verdict:
    """Rows 4, 5, 14, 16 to 19: the reply did not come, or broke off."""
    if result == "whole":
        late = errors.ProviderTimeout("The call took longer than it may", metadata={"provider_name": provider})
        return Verdict(Effect.NEUTRAL, late, outcome=Outcome.TIMEOUT, is_retryable=False)
    scope, failure, fault, what, may_duplicate = _BROKEN[result]
    is_timeout = result in _TIMEOUTS
    shown: errors.CallError = _unavailable(provider, what)
    if is_timeout:
        shown = errors.ProviderTimeout(f"Provider {what}", metadata={"provider_name": provider})
    return Verdict(
        Effect.FAILED,
        shown,
        scope=scope,
        failure=failure,
        fault=fault,
        outcome=Outcome.TIMEOUT if is_timeout else Outcome.ERROR,
        is_application=result in ("truncated", "bad_response", "json_reply"),
        may_duplicate=may_duplicate,
    )


def judge_answer(
    status: int, headers: Mapping[bytes, bytes], body: bytes, provider: str, secret: str, wall_time: float
) -> Verdict:
    """Rows 6 to 13, 15 and 20: the provider answered with an error. `status` 200: the error came inside the reply."""
    said = read_error(status, body)
    wait = retry_after_s(headers, wall_time)
    metadata: dict[str, Any] = {"provider_name": provider}
    if said.code:
        metadata["provider_code"] = _masked(said.code, secret)[:100]
    if said.is_out_of_credit and said.status in (400, 402, 403, 429):
        return _hard(codes.QUOTA, QUOTA_RETEST_S, said, errors.ProviderOverloaded("Provider has no capacity for us"))
    if said.status == 429:
        return _throttled(said, wait, metadata)
    if said.status in (401, 402, 403) and not (said.status == 403 and said.is_policy):
        shown = errors.ProviderUnavailable("Provider refused the gateway's own credential", metadata=metadata)
        return _hard(codes.CREDENTIAL, CREDENTIAL_RETEST_S, said, shown)
    if said.status == 410 or (said.status == 404 and said.is_about_model):
        return _gone(said, metadata)
    if said.status in SERVER or said.status >= 500 or said.status in UNFIT or said.status < 400:
        return _server(said, wait, metadata)
    return Verdict(
        Effect.NEUTRAL,
        _callers_fault(said, metadata, secret),
        is_retryable=False,
        status=said.status,
    )


def _hard(reason: int, retest_s: float, said: ProviderError, shown: errors.CallError) -> Verdict:
    fault = UpstreamFault.STATUS_429 if said.status == 429 else UpstreamFault.OTHER
    return Verdict(
        Effect.HARD,
        shown,
        scope=codes.SCOPE_LANE,
        fault=fault,
        reason=reason,
        retest_s=retest_s,
        status=said.status,
    )


def _throttled(said: ProviderError, wait: float | None, metadata: dict[str, Any]) -> Verdict:
    metadata |= {"limit_source": "upstream_provider", "remedy_hint": "Retry later, or add another provider."}
    if wait is not None:
        metadata["retry_after_seconds"] = math.ceil(wait)
    seconds = None if wait is None else math.ceil(wait)
    return Verdict(
        Effect.THROTTLED,
        errors.RateLimited("Provider returned error", metadata=metadata, retry_after_s=seconds),
        scope=codes.SCOPE_LANE,
        fault=UpstreamFault.STATUS_429,
        retry_after_s=-1.0 if wait is None else wait,
        status=429,
    )


def _gone(said: ProviderError, metadata: dict[str, Any]) -> Verdict:
    availability = {"code": "model_unavailable_upstream", "retryable": False}
    shown = errors.NotFound("The provider no longer serves this model", metadata=metadata, availability=availability)
    return Verdict(
        Effect.HARD,
        shown,
        scope=codes.SCOPE_ENDPOINT,
        reason=codes.MODEL_GONE,
        retest_s=GONE_RETEST_S,
        status=said.status,
    )


def _server(said: ProviderError, wait: float | None, metadata: dict[str, Any]) -> Verdict:
    """5xx and its like. The provider's text is masked: it describes somebody else's inside."""
    shown: errors.CallError
    seconds = None if wait is None else math.ceil(wait)
    if said.status in (503, 529):
        shown = errors.ProviderOverloaded("Provider returned error", metadata=metadata, retry_after_s=seconds)
    elif said.status in (408, 504, 524):
        shown = errors.ProviderTimeout("Provider returned error", metadata=metadata)
    else:
        shown = errors.ProviderUnavailable("Provider returned error", metadata=metadata)
    return Verdict(
        Effect.FAILED,
        shown,
        failure=codes.STATUS_5XX,
        fault=UpstreamFault.STATUS_5XX,
        is_application=True,
        may_duplicate=True,
        retry_after_s=-1.0 if wait is None else wait,
        status=said.status,
    )


CALLERS: dict[int, type[errors.CallError]] = {
    404: errors.NotFound,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Unprocessable,
}


def _callers_fault(said: ProviderError, metadata: dict[str, Any], secret: str) -> errors.CallError:
    """Row 13: what the provider says about the request helps the caller; our credential in it does not."""
    text = _masked(said.message, secret)
    metadata["raw"] = text
    message = text or "Provider returned error"
    if said.is_too_long:
        return errors.ContextLengthExceeded(message, metadata=metadata)
    if said.is_policy:
        return errors.ContentPolicyViolation(message, metadata=metadata)
    return CALLERS.get(said.status, errors.InvalidRequest)(message, metadata=metadata)


def _masked(text: str, secret: str) -> str:
    return text.replace(secret, "…") if secret else text
