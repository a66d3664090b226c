# Numbers as text, straight into a buffer.
from libc.stdint cimport int64_t, uint64_t

from edgeproxy._core.buffer cimport Buffer, append, reserve

cdef enum:
    NUMBER_ROOM = 21  # a sign and twenty digits


cdef inline char *digits_up_to(char *end, uint64_t value) noexcept nogil:
    """Write the digits of `value` so that they stop at `end`; the answer is where they start."""
    while True:
        end -= 1
        end[0] = c'0' + <char>(value % 10)
        value //= 10
        if value == 0:
            return end


cdef inline int put_number(Buffer *out, int64_t value) except -1:
    cdef char room[NUMBER_ROOM]
    cdef char *end = room + NUMBER_ROOM
    cdef char *start = digits_up_to(end, <uint64_t>value if value >= 0 else <uint64_t>0 - <uint64_t>value)
    if value < 0:
        start -= 1
        start[0] = c'-'
    return append(out, start, end - start)


cdef inline int put_padded(Buffer *out, int64_t value, int places) except -1:
    """The last `places` digits of `value`, zeros in front and all. Zero or more."""
    cdef int place
    reserve(out, places)
    for place in range(places - 1, -1, -1):
        out.data[out.size + place] = c'0' + <char>(value % 10)
        value //= 10
    out.size += places
    return 0


cdef inline int put_fraction(Buffer *out, int64_t value, int places) except -1:
    """`value` of the last of `places` decimals, without zeros at its end: (12500, 3) is 12.5. Zero or more."""
    cdef char room[NUMBER_ROOM + 1]
    cdef char *end = room + NUMBER_ROOM + 1
    cdef char *point
    cdef char *start
    cdef int place
    point = end
    for place in range(places):  # digit by digit: a division by ten is none, one by a power of ten is dear
        point -= 1
        point[0] = c'0' + <char>(value % 10)
        value //= 10
    point -= 1
    point[0] = c'.'
    while (end - 1)[0] == c'0':
        end -= 1
    if end == point + 1:
        end = point
    start = digits_up_to(point, <uint64_t>value)
    return append(out, start, end - start)


cdef inline int put_nano(Buffer *out, int64_t nano) except -1:
    """Nano-dollars as dollars."""
    return put_fraction(out, nano, 9)
