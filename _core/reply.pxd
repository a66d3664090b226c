from edgeproxy.domain.charge cimport Charge

cpdef bytes stream_opening(bytes first, bytes shared, bytes last, bytes identity, bytes provider, int attempts)
cpdef bytes whole_answer(
    bytes first, bytes shared, bytes last, bytes identity, bytes provider, int attempts, Charge charge, bytes body
)
