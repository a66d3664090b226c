"""The heads of good answers. All but what varies is prepared: the texts come from `proxy.heads`."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memset

from edgeproxy._core.buffer cimport Buffer, append, append_text, dispose
from edgeproxy._core.decimal cimport put_number, put_padded
from edgeproxy.domain.charge cimport Charge

cdef int64_t NANO_PER_DOLLAR = 1_000_000_000


cdef inline int put(Buffer *out, bytes text) except -1:
    return append(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int put_names(Buffer *out, bytes first, bytes identity, bytes shared) except -1:
    put(out, first)
    append_text(out, b"X-Generation-Id: ")
    put(out, identity)
    append_text(out, b"\r\nX-Request-Id: ")
    put(out, identity)
    append_text(out, b"\r\n")
    return put(out, shared)


cdef int put_served(Buffer *out, bytes provider, int attempts) except -1:
    append_text(out, b"X-Provider-Name: ")
    put(out, provider)
    append_text(out, b"\r\nX-Edgeproxy-Attempts: ")
    put_number(out, attempts)
    return append_text(out, b"\r\n")


cdef int put_cost(Buffer *out, Charge charge) except -1:
    """Dollars, with all nine decimals."""
    append_text(out, b"X-Edgeproxy-Cost: ")
    put_number(out, charge.total // NANO_PER_DOLLAR)
    append_text(out, b".")
    put_padded(out, charge.total, 9)
    return append_text(out, b"\r\n")


cpdef bytes stream_opening(bytes first, bytes shared, bytes last, bytes identity, bytes provider, int attempts):
    """`first` is the status line, `last` what ends the head. `provider` None: no provider has answered yet."""
    cdef Buffer out
    memset(&out, 0, sizeof(Buffer))
    try:
        put_names(&out, first, identity, shared)
        if provider is not None:
            put_served(&out, provider, attempts)
        put(&out, last)
        return PyBytes_FromStringAndSize(out.data, out.size)
    finally:
        dispose(&out)


cpdef bytes whole_answer(
    bytes first, bytes shared, bytes last, bytes identity, bytes provider, int attempts, Charge charge, bytes body
):
    """Head and body. `charge` None: it is not known."""
    cdef Buffer out
    memset(&out, 0, sizeof(Buffer))
    try:
        put_names(&out, first, identity, shared)
        append_text(&out, b"Content-Length: ")
        put_number(&out, PyBytes_GET_SIZE(body))
        append_text(&out, b"\r\n")
        put_served(&out, provider, attempts)
        if charge is not None:
            put_cost(&out, charge)
        put(&out, last)
        put(&out, body)
        return PyBytes_FromStringAndSize(out.data, out.size)
    finally:
        dispose(&out)
