from edgeproxy._core.reply cimport stream_opening, whole_answer
from edgeproxy.domain.charge cimport Charge

cpdef bytes _last(exchange, bint is_http11)
cpdef bytes stream_head(exchange, bytes identity, int attempts, bytes provider)
cpdef bytes answer(exchange, bytes identity, int attempts, bytes provider, Charge charge, bytes body)
