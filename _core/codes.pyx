"""The small integers that cross into the core: scopes, states, failure classes, reasons of a hard opening."""

cimport edgeproxy._core.constants as constants

SCOPE_HOST = <int>constants.SCOPE_HOST
SCOPE_ENDPOINT = <int>constants.SCOPE_ENDPOINT
SCOPE_LANE = <int>constants.SCOPE_LANE

CLOSED = <int>constants.CLOSED
OPEN = <int>constants.OPEN
HALF_OPEN = <int>constants.HALF_OPEN
RAMP = <int>constants.RAMP
THROTTLED = <int>constants.THROTTLED
HARD_OPEN = <int>constants.HARD_OPEN
FORCED_OPEN = <int>constants.FORCED_OPEN
FORCED_CLOSED = <int>constants.FORCED_CLOSED

CONNECT = <int>constants.CONNECT
TLS = <int>constants.TLS
RESET = <int>constants.RESET
PROTOCOL = <int>constants.PROTOCOL
STATUS_5XX = <int>constants.STATUS_5XX
TTFT = <int>constants.TTFT
STALL = <int>constants.STALL
TRUNCATED = <int>constants.TRUNCATED
BAD_RESPONSE = <int>constants.BAD_RESPONSE
DNS = <int>constants.DNS
SEND = <int>constants.SEND
OTHER = <int>constants.OTHER
LAPSED = <int>constants.LAPSED
TOO_MANY = <int>constants.TOO_MANY

CREDENTIAL = <int>constants.CREDENTIAL
QUOTA = <int>constants.QUOTA
CERTIFICATE = <int>constants.CERTIFICATE
UNRESOLVED = <int>constants.UNRESOLVED
MODEL_GONE = <int>constants.MODEL_GONE
OPERATOR = <int>constants.OPERATOR

STATE_NAMES = ("closed", "open", "half_open", "ramp", "throttled", "hard_open", "forced_open", "forced_closed")
FAILURE_NAMES = (
    "", "connect", "tls", "reset", "protocol", "status_5xx", "ttft", "stall", "truncated", "bad_response", "dns", "send",
    "other", "lapsed", "too_many",
)
REASON_NAMES = ("", "credential", "quota", "certificate", "unresolved", "model_gone", "operator")
SCOPE_NAMES = ("host", "endpoint", "lane")
