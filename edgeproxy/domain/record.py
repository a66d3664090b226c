"""What is known of a call once it is over: the journal's record and the access log's line."""

from dataclasses import dataclass
from typing import Final

from edgeproxy.domain.charge import Charge
from edgeproxy.domain.usage import Usage
from edgeproxy.domain.whole import Count, Status

NO_USAGE: Final = Usage()
NO_CHARGE: Final = Charge(0, 0, 0, 0)


@dataclass(frozen=True)
class CallRecord:
    """Written exactly once for each call. It holds no prompt, no answer and no secret."""

    generation_id: str
    ended_at: float  # Unix seconds
    endpoint: str  # one of telemetry.metrics.API_ENDPOINTS
    status: Status  # what the client got; 499: it left
    is_stream: bool = False
    org: str = ""
    key: str = ""  # the key's label, never its text
    model: str = ""  # as the client named it when nothing matched
    provider: str = ""  # slug; "" when no attempt was made
    attempts: Count = 0
    finish_reason: str | None = None
    error_type: str | None = None
    usage: Usage = NO_USAGE
    charge: Charge = NO_CHARGE
    is_price_known: bool = True
    ttft_ms: float = -1.0  # below zero: no event came
    duration_ms: float = 0.0
    overhead_ms: float = 0.0
