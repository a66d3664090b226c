"""One line of the access log, as JSON. What may hold anything is handed to `clean` before it is written."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr, memset
from libc.time cimport gmtime_r, time_t, tm

from edgeproxy._core.buffer cimport Buffer, append, append_text, dispose
from edgeproxy._core.decimal cimport put_fraction, put_nano, put_number, put_padded
from edgeproxy._core.text cimport Place, edge_skip_plain
from edgeproxy.domain.record cimport CallRecord
from edgeproxy.domain.usage cimport Usage

cdef enum:
    PLAIN_ROOM = 256  # bytes of a text that is written as it is

cdef time_t second_of_text = -1
cdef char text_of_second[64]

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef extern from "<stdio.h>":
    int snprintf(char *text, size_t size, const char *format, ...)


cdef inline bint is_plain(const char *text, Py_ssize_t size) noexcept nogil:
    """Nothing in it wants an escape, nor is a DEL, which a terminal might act upon."""
    cdef Place end = <Place>text + size
    return size <= PLAIN_ROOM and edge_skip_plain(<Place>text, end) == end and memchr(text, 0x7F, size) is NULL


cdef int put_text(Buffer *out, const char *name, str text, quoted) except -1:
    """`name` is the text in front of the value. `quoted(text)` makes JSON of one that is not plain."""
    cdef Py_ssize_t size = 0
    cdef const char *data
    cdef bytes made
    append_text(out, name)
    if text is None:
        return append_text(out, b"null")
    if PyUnicode_IS_ASCII(text):
        data = PyUnicode_AsUTF8AndSize(text, &size)
        if is_plain(data, size):
            append(out, b'"', 1)
            append(out, data, size)
            return append(out, b'"', 1)
    made = quoted(text)
    return append(out, <char *>made, len(made))


cdef int put_count(Buffer *out, const char *name, int64_t value) except -1:
    append_text(out, name)
    return put_number(out, value)


cdef int put_ms(Buffer *out, const char *name, double ms) except -1:
    """Milliseconds, to the microsecond."""
    append_text(out, name)
    return put_fraction(out, <int64_t>(ms * 1000.0 + 0.5), 3) if 0.0 <= ms < 1e15 else append_text(out, b"0")


cdef int put_time(Buffer *out, double at) except -1:
    """Unix seconds as ISO 8601 in UTC, to the millisecond. A second's text is made once."""
    global second_of_text
    cdef time_t second = <time_t>at
    cdef int ms = <int>((at - <double>second) * 1000.0)
    cdef tm parts
    if second != second_of_text:
        gmtime_r(&second, &parts)
        snprintf(
            text_of_second, sizeof(text_of_second), b'{"time":"%04d-%02d-%02dT%02d:%02d:%02d.', parts.tm_year + 1900,
            parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec
        )
        second_of_text = second
    append_text(out, text_of_second)
    put_padded(out, ms, 3)
    return append_text(out, b'Z"')


cpdef bytes json_line(CallRecord record, quoted):
    """The line of a CallRecord, with its line feed."""
    cdef Buffer out
    cdef Usage usage
    if record is None:
        raise TypeError("a line is of some record")
    usage = record.usage
    memset(&out, 0, sizeof(Buffer))
    try:
        put_time(&out, record.ended_at)
        put_text(&out, b',"generation_id":', record.generation_id, quoted)
        put_text(&out, b',"org":', record.org, quoted)
        put_text(&out, b',"key":', record.key, quoted)
        put_text(&out, b',"endpoint":', record.endpoint, quoted)
        put_text(&out, b',"model":', record.model, quoted)
        put_text(&out, b',"provider":', record.provider, quoted)
        put_count(&out, b',"attempts":', record.attempts)
        put_count(&out, b',"status":', record.status)
        append_text(&out, b',"stream":true' if record.is_stream else b',"stream":false')
        put_text(&out, b',"finish_reason":', record.finish_reason, quoted)
        put_count(&out, b',"tokens_in":', usage.prompt)
        put_count(&out, b',"tokens_out":', usage.completion)
        put_count(&out, b',"tokens_cached":', usage.cached)
        put_count(&out, b',"tokens_reasoning":', usage.reasoning)
        append_text(&out, b',"cost_usd":')
        if record.is_price_known:
            put_nano(&out, record.charge.total)
        else:
            append_text(&out, b"null")
        if record.ttft_ms < 0.0:
            append_text(&out, b',"ttft_ms":null')
        else:
            put_ms(&out, b',"ttft_ms":', record.ttft_ms)
        put_ms(&out, b',"duration_ms":', record.duration_ms)
        put_ms(&out, b',"overhead_ms":', record.overhead_ms)
        put_text(&out, b',"error_type":', record.error_type, quoted)
        append_text(&out, b"}\n")
        return PyBytes_FromStringAndSize(out.data, out.size)
    finally:
        dispose(&out)
