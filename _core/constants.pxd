# The small integers that cross into the core. `codes.pyx` gives them to Python under the same names.

cdef enum:  # scope
    SCOPE_HOST = 0
    SCOPE_ENDPOINT = 1
    SCOPE_LANE = 2

cdef enum:  # state
    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2
    RAMP = 3
    THROTTLED = 4
    HARD_OPEN = 5
    FORCED_OPEN = 6
    FORCED_CLOSED = 7

cdef enum:  # failure
    CONNECT = 1
    TLS = 2
    RESET = 3
    PROTOCOL = 4
    STATUS_5XX = 5
    TTFT = 6
    STALL = 7
    TRUNCATED = 8
    BAD_RESPONSE = 9
    DNS = 10
    SEND = 11
    OTHER = 12
    LAPSED = 13  # two probe leases in a row ended without an outcome
    TOO_MANY = 14  # a 429 that failed a probe

cdef enum:  # reason
    CREDENTIAL = 1
    QUOTA = 2
    CERTIFICATE = 3
    UNRESOLVED = 4
    MODEL_GONE = 5
    OPERATOR = 6
