from edgeproxy._core.exchange cimport Exchange
from edgeproxy._core.reply cimport stream_opening, whole_answer
from edgeproxy.domain.charge cimport Charge

cpdef bytes _last(Exchange exchange, bint is_http11)
cpdef bytes stream_head(Exchange exchange, bytes identity, int attempts, bytes provider)
cpdef bytes answer(Exchange exchange, bytes identity, int attempts, bytes provider, Charge charge, bytes body)
