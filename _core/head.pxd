"""One strict pass over the header lines of a request, and where the values lie that the door asks for.

Stricter than llhttp, which reads the same bytes: a line ends in CRLF and in nothing else (RFC 9112 section 2.2), none is
folded (5.2), nothing stands between a name and its colon (5.1), no control character in a value (RFC 9110 section 5.5).
"""

cdef enum:
    MAX_HEAD = 65536    # bytes, request line included
    MAX_LINE = 16384
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
    NAMES               # how many; as a name: any other

cdef struct Head:
    int next            # where the first line begins that has not been judged
    int lines
    int end             # behind the blank line
    unsigned int seen   # bit of each name that came
    unsigned int again  # … that came more than once
    int at[<int>NAMES]  # [NAMES] offset of the first value, without the white space around it
    int size[<int>NAMES]


cdef inline bint is_token(unsigned char c) noexcept nogil:
    """RFC 9110 section 5.6.2."""
    cdef unsigned char low = c | 32
    return 97 <= low <= 122 or c == 45 or 48 <= c <= 57 or c in b"_!#$%&'*+.^`|~"


cdef inline bint is_text(unsigned char c) noexcept nogil:
    return c >= 32 and c != 127 or c == 9


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
        return HOST if equals(text, b"host", 4) else NAMES
    if size == 6:
        return EXPECT if equals(text, b"expect", 6) else NAMES
    if size == 7:
        return UPGRADE if equals(text, b"upgrade", 7) else NAMES
    if size == 9:
        return API_KEY if equals(text, b"x-api-key", 9) else NAMES
    if size == 10:
        return CONNECTION if equals(text, b"connection", 10) else NAMES
    if size == 13:
        return AUTHORIZATION if equals(text, b"authorization", 13) else NAMES
    if size == 14:
        return CONTENT_LENGTH if equals(text, b"content-length", 14) else NAMES
    if size == 16:
        return CONTENT_ENCODING if equals(text, b"content-encoding", 16) else NAMES
    if size == 17:
        return TRANSFER_ENCODING if equals(text, b"transfer-encoding", 17) else NAMES
    if size == 22:
        return TIMEOUT if equals(text, b"x-edgeproxy-timeout-ms", 22) else NAMES
    return NAMES


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
        while at < size and is_token(data[at]):
            at += 1
        if at < size and at > begin and data[at] == 58:
            colon = at
            at += 1
            while at < size and is_text(data[at]):
                at += 1
        elif at < size and (at > begin or data[at] != 13):
            return HEAD_ODD
        else:
            colon = -1
        if at - begin > MAX_LINE or at > MAX_HEAD:
            return HEAD_TOO_LARGE
        if at < size and data[at] != 13 or at + 1 < size and data[at + 1] != 10:
            return HEAD_ODD
        if at + 2 > size:
            return HEAD_PARTIAL
        if at == begin:
            head.end = <int>(at + 2)
            return HEAD_WHOLE
        head.lines += 1
        if head.lines > MAX_LINES:
            return HEAD_TOO_LARGE
        name = name_of(data + begin, colon - begin)
        if name != NAMES:
            keep(head, name, data, colon + 1, at)
        head.next = <int>(at + 2)
