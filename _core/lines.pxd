# What lines of an event stream are made of, and taken apart by.
from libc.string cimport memchr, memcmp

from edgeproxy._core.patch cimport Span
from edgeproxy._core.text cimport Place


cdef inline Place find(Place p, Place end, unsigned char byte) noexcept nogil:
    cdef Place found = NULL
    if p < end:
        found = <Place>memchr(p, byte, end - p)
    return end if found is NULL else found


cdef inline bint is_blank(unsigned char byte) noexcept nogil:
    return byte == c' ' or byte == c'\t' or byte == c'\n'


cdef inline bint is_done_mark(Place p, Place end) noexcept nogil:
    return end - p == 6 and memcmp(p, b"[DONE]", 6) == 0


cdef inline Span trimmed(Place p, Place end) noexcept nogil:
    cdef Span span
    while p < end and is_blank(p[0]):
        p += 1
    while p < end and is_blank((end - 1)[0]):
        end -= 1
    span.start = p
    span.stop = end
    return span


cdef inline void replace_bytes(char *p, char *end, char old, char new) noexcept nogil:
    while p < end:
        if p[0] == old:
            p[0] = new
        p += 1
