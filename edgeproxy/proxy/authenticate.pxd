from edgeproxy._core.clock cimport wall
from edgeproxy._core.exchange cimport Exchange, bearer_token
from edgeproxy.domain.caller cimport Caller

cpdef Caller authenticate(Exchange exchange, accounts)
cpdef bytes bearer(Exchange exchange)
