# Strict JSON (RFC 8259) over raw bytes: what both `spans` and `patch` walk with. Nothing here allocates or recurses.
# How a walker answers is said in `text.pxd`.
from libc.string cimport memcmp

from edgeproxy._core.text cimport (
    FAULT_ARRAY,
    FAULT_COLON,
    FAULT_DEPTH,
    FAULT_END,
    FAULT_KEY,
    FAULT_NUMBER,
    FAULT_OBJECT,
    FAULT_VALUE,
    KEY_ROOM,
    Place,
    Walk,
    fail,
    skip_string,
    unescape,
)

cdef enum:
    MAX_DEPTH = 1024  # containers within one another, the outermost included


cdef inline Place skip_space(Place p, Place end) noexcept nogil:
    while p < end and p[0] <= 0x20 and (p[0] == c' ' or p[0] == c'\n' or p[0] == c'\r' or p[0] == c'\t'):
        p += 1
    return p


cdef inline Place skip_digits(Place p, Place end) noexcept nogil:
    while p < end and c'0' <= p[0] <= c'9':
        p += 1
    return p


cdef inline Place skip_number(Place p, Place end, Walk *walk) noexcept nogil:
    cdef Place start = p
    cdef Place digits
    if p[0] == c'-':
        p += 1
    digits = p
    p = skip_digits(p, end)
    if p == digits or (digits[0] == c'0' and p - digits > 1):
        return fail(walk, FAULT_NUMBER, start)
    if p < end and p[0] == c'.':
        digits = p + 1
        p = skip_digits(digits, end)
        if p == digits:
            return fail(walk, FAULT_NUMBER, start)
    if p < end and (p[0] | 0x20) == c'e':
        p += 1
        if p < end and (p[0] == c'+' or p[0] == c'-'):
            p += 1
        digits = p
        p = skip_digits(p, end)
        if p == digits:
            return fail(walk, FAULT_NUMBER, start)
    return p


cdef inline Place skip_scalar(Place p, Place end, Walk *walk) noexcept nogil:
    """A string, number or literal."""
    cdef unsigned char byte
    if p == end:
        return fail(walk, FAULT_END, end)
    byte = p[0]
    if byte == c'"':
        return skip_string(p + 1, end, walk)
    if byte == c'-' or c'0' <= byte <= c'9':
        return skip_number(p, end, walk)
    if byte == c'n' and end - p >= 4 and memcmp(p, b"null", 4) == 0:
        return p + 4
    if byte == c't' and end - p >= 4 and memcmp(p, b"true", 4) == 0:
        return p + 4
    if byte == c'f' and end - p >= 5 and memcmp(p, b"false", 5) == 0:
        return p + 5
    return fail(walk, FAULT_VALUE, p)


cdef inline Place skip_key(Place p, Place end, Walk *walk) noexcept nogil:
    """A key, its colon and the space around: the answer is where the value starts."""
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] != c'"':
        return fail(walk, FAULT_KEY, p)
    p = skip_string(p + 1, end, walk)
    if p is NULL:
        return NULL
    p = skip_space(p, end)
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] != c':':
        return fail(walk, FAULT_COLON, p)
    return skip_space(p + 1, end)


cdef inline Place skip_nested(Place p, Place end, Walk *walk, int depth) noexcept nogil:
    """An object or array; `depth` others are open around it."""
    cdef unsigned char closers[MAX_DEPTH]  # one for each container that is open
    cdef int top = 0
    while True:
        if p < end and (p[0] == c'{' or p[0] == c'['):
            if depth + top >= MAX_DEPTH:
                return fail(walk, FAULT_DEPTH, p)
            closers[top] = p[0] + 2  # `}` and `]` follow their openers by two in ASCII
            top += 1
            p = skip_space(p + 1, end)
            if p == end or p[0] != closers[top - 1]:
                if closers[top - 1] == c'}':
                    p = skip_key(p, end, walk)
                    if p is NULL:
                        return NULL
                continue
        else:
            p = skip_scalar(p, end, walk)
            if p is NULL:
                return NULL
            p = skip_space(p, end)
        while p < end and p[0] == closers[top - 1]:
            top -= 1
            if top == 0:
                return p + 1
            p = skip_space(p + 1, end)
        if p == end:
            return fail(walk, FAULT_END, end)
        if p[0] != c',':
            return fail(walk, FAULT_OBJECT if closers[top - 1] == c'}' else FAULT_ARRAY, p)
        p = skip_space(p + 1, end)
        if closers[top - 1] == c'}':
            p = skip_key(p, end, walk)
            if p is NULL:
                return NULL


cdef inline Place skip_value(Place p, Place end, Walk *walk, int depth) noexcept nogil:
    """Any value; `depth` containers are open around it."""
    if p < end and (p[0] == c'{' or p[0] == c'['):
        return skip_nested(p, end, walk, depth)
    return skip_scalar(p, end, walk)


# Walking an object by hand:
#     p = open_object(p, end, walk)                   # `p` stood at the `{`
#     while p is not NULL and not walk.is_closed:     # `p` stands at a value, `walk.key` is its key
#         p = next_member(skip_value(p, end, walk, depth), end, walk)
# and behind it `p` stands behind the `}`, or is NULL. The same with arrays, without a key.

cdef inline Place read_key(Place p, Place end, Walk *walk) noexcept nogil:
    cdef Py_ssize_t size
    walk.is_closed = False
    walk.key_at = p
    walk.shrink = 0
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] != c'"':
        return fail(walk, FAULT_KEY, p)
    p = skip_string(p + 1, end, walk)
    if p is NULL:
        return NULL
    walk.key = walk.key_at + 1
    walk.key_size = p - 1 - walk.key
    if walk.shrink:
        size = unescape(walk.key, p - 1, walk.scratch, KEY_ROOM)
        walk.key = walk.scratch
        walk.key_size = size if size > 0 else 0
    p = skip_space(p, end)
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] != c':':
        return fail(walk, FAULT_COLON, p)
    return skip_space(p + 1, end)


cdef inline Place open_object(Place p, Place end, Walk *walk) noexcept nogil:
    p = skip_space(p + 1, end)
    if p < end and p[0] == c'}':
        walk.is_closed = True
        return p + 1
    return read_key(p, end, walk)


cdef inline Place next_member(Place p, Place end, Walk *walk) noexcept nogil:
    if p is NULL:
        return NULL
    p = skip_space(p, end)
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] == c',':
        return read_key(skip_space(p + 1, end), end, walk)
    if p[0] != c'}':
        return fail(walk, FAULT_OBJECT, p)
    walk.is_closed = True
    return p + 1


cdef inline Place open_array(Place p, Place end, Walk *walk) noexcept nogil:
    p = skip_space(p + 1, end)
    walk.is_closed = p < end and p[0] == c']'
    return p + 1 if walk.is_closed else p


cdef inline Place next_item(Place p, Place end, Walk *walk) noexcept nogil:
    if p is NULL:
        return NULL
    p = skip_space(p, end)
    if p == end:
        return fail(walk, FAULT_END, end)
    if p[0] == c',':
        walk.is_closed = False
        return skip_space(p + 1, end)
    if p[0] != c']':
        return fail(walk, FAULT_ARRAY, p)
    walk.is_closed = True
    return p + 1


cdef inline bint is_key(const Walk *walk, const char *name, Py_ssize_t size) noexcept nogil:
    return walk.key_size == size and memcmp(walk.key, name, size) == 0


cdef inline bint is_null(Place p, Place end) noexcept nogil:
    """Of a value that has been walked: is it `null`?"""
    return end - p == 4 and p[0] == c'n'


cdef inline bint is_empty(Place p, Place end) noexcept nogil:
    """Of a value that has been walked: is it `null`, `""`, `[]` or `{}`?"""
    if p[0] == c'"':
        return end - p == 2
    if p[0] == c'[' or p[0] == c'{':
        return skip_space(p + 1, end) == end - 1
    return is_null(p, end)
