"""What a provider says when it fails: its error bodies and its Retry-After, read without trusting either."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

MAX_RETRY_AFTER_S = 300.0
MIN_RETRY_AFTER_S = 1.0
MAX_TEXT = 2_000

# What says "our account is out of credit" (reliability 2.2, row 9): a code or type, or the words of a message. A 400
# may repeat what the caller sent, so there only the message's beginning counts.
OUT_OF_CREDIT = frozenset((
    "insufficient_quota", "enforced_spend_limit_reached", "billing_hard_limit_reached", "insufficient_balance",
))  # fmt: skip
NO_CREDIT_WORDS = (*OUT_OF_CREDIT, "credit balance is too low", "insufficient balance", "insufficient credits")
NO_CREDIT_BEGINS = ("your credit balance is too low", "insufficient balance", "insufficient credits")
TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "context length")
ABOUT_MODEL = ("model", "deployment", "no endpoints", "unknown route", "not found.", "page not found")
POLICY = ("content_policy_violation", "content_filter", "content management policy", "responsibleaipolicyviolation")


@dataclass(frozen=True, slots=True)
class ProviderError:
    """An error body: `status` is the one to judge by, `code` and `type` the provider's own words."""

    status: int
    message: str
    code: str = ""
    type: str = ""

    @property
    def words(self) -> str:
        return f"{self.code} {self.type} {self.message}".lower()

    @property
    def is_out_of_credit(self) -> bool:
        if self.code.lower() in OUT_OF_CREDIT or self.type.lower() in OUT_OF_CREDIT:
            return True
        if self.status == 400:
            return self.message.lower().startswith(NO_CREDIT_BEGINS)
        return any(word in self.words for word in NO_CREDIT_WORDS)

    @property
    def is_too_long(self) -> bool:
        return any(word in self.words for word in TOO_LONG)

    @property
    def is_about_model(self) -> bool:
        """A 404 without words, or one that speaks of the model. Any other is about something that the caller named."""
        return not self.message or any(word in self.words for word in ABOUT_MODEL)

    @property
    def is_policy(self) -> bool:
        return any(word in self.words for word in POLICY)


def read_error(status: int, body: bytes) -> ProviderError:
    """An error reply with `status` (200 when the error came inside a good one), whatever its body looks like."""
    try:
        seen = orjson.loads(body)
    except orjson.JSONDecodeError:
        seen = None
    error = seen.get("error", seen) if isinstance(seen, dict) else seen
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    return ProviderError(
        status=_status(status, error),
        message=_text(error, "message", "detail", "error"),
        code=_text(error, "code"),
        type=_text(error, "type", "status"),
    )


def _status(status: int, error: Mapping[str, Any]) -> int:
    """The reply's own status, or for an error inside a 200 the one that its body names."""
    if status != 200:
        return status
    for key in ("code", "status", "status_code", "http_status"):
        value = error.get(key)
        if isinstance(value, str) and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    words = f"{error.get('code', '')} {error.get('type', '')}".lower()
    for word, known in (
        ("rate_limit", 429),
        ("overloaded", 529),
        ("insufficient_quota", 429),
        ("authentication", 401),
        ("permission", 403),
        ("not_found", 404),
        ("invalid_request", 400),
    ):
        if word in words:
            return known
    return 500


def _text(error: Mapping[str, Any], *keys: str) -> str:
    for key in keys:
        value = error.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)[:MAX_TEXT]
    return ""


def retry_after_s(headers: Mapping[bytes, bytes], wall_time: float) -> float | None:
    """`Retry-After` in seconds, 1 to 300; None without the header. `wall_time` (Unix) dates an HTTP-date."""
    raw = headers.get(b"retry-after")
    if raw is None:
        return None
    text = raw.decode("latin-1").strip()
    try:
        seconds = float(text) if not text.endswith("GMT") else _date(text) - wall_time
    except (ValueError, TypeError, OverflowError):
        return MIN_RETRY_AFTER_S
    if not seconds >= MIN_RETRY_AFTER_S:  # also NaN
        return MIN_RETRY_AFTER_S
    return min(seconds, MAX_RETRY_AFTER_S)


def _date(text: str) -> float:
    moment = parsedate_to_datetime(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
