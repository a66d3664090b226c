"""One strict pass over the header lines of a request or a reply, and where the values lie that somebody asks for.

Stricter than llhttp, which reads the same bytes: a line ends in CRLF and in nothing else (RFC 9112 section 2.2), none is
folded (5.2), nothing stands between a name and its colon (5.1), no control character in a value (RFC 9110 section 5.5).
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef enum:
    MAX_HEAD = 65536    # bytes, request line included
    MAX_LINE = 8704     # a key of 8 KiB fits
    MAX_LINES = 128

cdef enum Verdict:
    HEAD_WHOLE
    HEAD_PARTIAL
    HEAD_ODD
    HEAD_TOO_LARGE

cdef enum Name:
    HOST
    AUTHORIZATION
    API_KEY
    TIMEOUT
    CONTENT_LENGTH
    TRANSFER_ENCODING
    CONTENT_ENCODING
    EXPECT
    CONNECTION
    UPGRADE
    CONTENT_TYPE        # the rest: of replies
    DATE
    RETRY_AFTER
    RETRY_AFTER_MS
    REQUEST_ID
    NAMES               # how many; as a name: any other

cdef struct Head:
    int next            # where the first line begins that has not been judged
    int lines
    int end             # behind the blank line
    unsigned int seen   # bit of each name that came
    unsigned int again  # … that came more than once
    int at[<int>NAMES]  # [NAMES] offset of the first value, without the white space around it
    int size[<int>NAMES]


cdef extern from * nogil:
    """
    #include <stdint.h>
    /* RFC 9110 section 5.6.2. */
    static const unsigned char edge_is_token[256] = {
        ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1,
        ['\\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    };
    /* Marks the control characters of a word, DEL among them; the lowest mark is exact, see text.pxd. */
    static inline uint64_t edge_controls(uint64_t word) {
        const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
        uint64_t del = word ^ (ones * 127);
        return (((word - ones * 32) & ~word) | ((del - ones) & ~del)) & tops;
    }
    static inline int edge_first_control(uint64_t marks) { return __builtin_ctzll(marks) >> 3; }
    """
    const unsigned char edge_is_token[256]
    uint64_t edge_controls(uint64_t word)
    int edge_first_control(uint64_t marks)


cdef inline const unsigned char *after_text(const unsigned char *at, const unsigned char *end) noexcept nogil:
    """The first byte from `at` on that may not stand in a value, or `end`."""
    cdef uint64_t word, marks
    while at < end:
        if end - at >= 8:
            memcpy(&word, at, 8)
            marks = edge_controls(word)
            if not marks:
                at += 8
                continue
            at += edge_first_control(marks)
        if (at[0] < 32 or at[0] == 127) and at[0] != 9:
            break
        at += 1
    return at


cdef inline bint is_blank(unsigned char c) noexcept nogil:
    return c == 32 or c == 9


cdef inline bint equals(const unsigned char *text, const char *lower, Py_ssize_t size) noexcept nogil:
    """Without regard to case. `text` has no control characters: they would pass for others."""
    cdef Py_ssize_t i
    for i in range(size):
        if text[i] | 32 != <unsigned char>lower[i]:
            return False
    return True


cdef inline int name_of(const unsigned char *text, Py_ssize_t size) noexcept nogil:
    if size == 4:
        return HOST if equals(text, b"host", 4) else DATE if equals(text, b"date", 4) else NAMES
    if size == 6:
        return EXPECT if equals(text, b"expect", 6) else NAMES
    if size == 7:
        return UPGRADE if equals(text, b"upgrade", 7) else NAMES
    if size == 9:
        return API_KEY if equals(text, b"x-api-key", 9) else NAMES
    if size == 10:
        return CONNECTION if equals(text, b"connection", 10) else NAMES
    if size == 11:
        return RETRY_AFTER if equals(text, b"retry-after", 11) else NAMES
    if size == 12:
        if equals(text, b"content-type", 12):
            return CONTENT_TYPE
        return REQUEST_ID if equals(text, b"x-request-id", 12) else NAMES
    if size == 13:
        return AUTHORIZATION if equals(text, b"authorization", 13) else NAMES
    if size == 14:
        if equals(text, b"content-length", 14):
            return CONTENT_LENGTH
        return RETRY_AFTER_MS if equals(text, b"retry-after-ms", 14) else NAMES
    if size == 16:
        return CONTENT_ENCODING if equals(text, b"content-encoding", 16) else NAMES
    if size == 17:
        return TRANSFER_ENCODING if equals(text, b"transfer-encoding", 17) else NAMES
    if size == 22:
        return TIMEOUT if equals(text, b"x-edgeproxy-timeout-ms", 22) else NAMES
    return NAMES


cdef inline bint has(const Head *head, int name) noexcept nogil:
    return head.seen >> name & 1


cdef inline bint says(const Head *head, int name, const unsigned char *data, const char *lower, int size) noexcept nogil:
    return head.size[name] == size and equals(data + head.at[name], lower, size)


cdef inline Py_ssize_t length_of(const Head *head, const unsigned char *data) noexcept nogil:
    """What Content-Length says; -1: nothing, or nothing that is beyond doubt."""
    cdef Py_ssize_t length = 0
    cdef unsigned char c
    cdef int i
    if not has(head, CONTENT_LENGTH) or not 1 <= head.size[<int>CONTENT_LENGTH] <= 15:
        return -1
    for i in range(head.size[<int>CONTENT_LENGTH]):
        c = data[head.at[<int>CONTENT_LENGTH] + i]
        if not 48 <= c <= 57:
            return -1
        length = length * 10 + c - 48
    return length


cdef inline void keep(Head *head, int name, const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Remember the value of `name`, which lies between `at` and `end`."""
    cdef unsigned int bit = 1u << name
    if head.seen & bit:
        head.again |= bit
        return
    head.seen |= bit
    while at < end and is_blank(data[at]):
        at += 1
    while end > at and is_blank(data[end - 1]):
        end -= 1
    head.at[name] = <int>at
    head.size[name] = <int>(end - at)


cdef inline int scan_head(const unsigned char *data, Py_ssize_t size, Head *head) noexcept nogil:
    """Judge the lines from `head.next` on. After HEAD_PARTIAL call it again with more of the same bytes."""
    cdef Py_ssize_t at, begin, colon
    cdef int name
    while True:
        at = begin = head.next
        if at > MAX_HEAD - 2:
            return HEAD_TOO_LARGE
        while at < size and edge_is_token[data[at]]:
            at += 1
        if at < size and at > begin and data[at] == 58:
            colon = at
            at = after_text(data + colon + 1, data + size) - data
        elif at < size and (at > begin or data[at] != 13):
            return HEAD_ODD
        else:
            colon = -1
        if at > MAX_HEAD:
            return HEAD_TOO_LARGE
        if at - begin > MAX_LINE or head.lines == MAX_LINES and at > begin or at < size and data[at] != 13 or at + 1 < size and data[at + 1] != 10:
            return HEAD_ODD
        if at + 2 > size:
            return HEAD_PARTIAL
        if at == begin:
            head.end = <int>(at + 2)
            return HEAD_WHOLE
        head.lines += 1
        name = name_of(data + begin, colon - begin)
        if name != NAMES:
            keep(head, name, data, colon + 1, at)
        head.next = <int>(at + 2)
