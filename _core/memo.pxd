# The shape of an event: all of it but the inside of the one string in which it says something.
#
# Most events of a stream repeat the shape of the one before. JSON is read from left to right, so the same bytes up to
# an opening quote leave the reader in the same state; a string that ends right where the same rest starts keeps that
# state. Whatever was found out about the one event then holds for the other, but for the size of the string.
from libc.string cimport memcmp, memcpy

from edgeproxy._core.buffer cimport Buffer, reserve
from edgeproxy._core.text cimport Place, Walk, skip_string

cdef enum:
    RAW_ROOM = 2 * 1024      # of the two raw texts together; longer shapes are not worth their memory
    PATCHED_ROOM = 4 * 1024  # of the two patched ones

cdef struct Memo:
    Buffer texts         # four texts, each right behind the one before
    Py_ssize_t prefix    # raw: from the `{` to the opening quote, inclusive; 0: nothing is remembered
    Py_ssize_t suffix    # raw: what follows the closing quote
    Py_ssize_t head      # patched and framed: from `data: ` to the opening quote, inclusive
    Py_ssize_t tail      # patched and framed: from the closing quote to the blank line, inclusive

cdef struct Repeat:
    Place inside             # of the string, as it was sent
    Py_ssize_t size
    Py_ssize_t unescaped     # the size of what it stands for


cdef inline int learn(Memo *memo, Place start, Place text, Place text_end, Place stop,
                      const char *patched, Py_ssize_t head, Py_ssize_t tail) except -1:
    """Remember the event from `start` to `stop`, whose string with its quotes lies from `text` to `text_end`.

    `patched` is the frame that was made of it: `head` bytes, the string's inside, `tail` bytes.
    """
    cdef Py_ssize_t prefix = text + 1 - start
    cdef Py_ssize_t suffix = stop - text_end
    cdef Py_ssize_t inside = text_end - text - 2
    cdef char *p
    memo.prefix = 0
    if prefix + suffix > RAW_ROOM or head + tail > PATCHED_ROOM:
        return 0
    reserve(&memo.texts, prefix + suffix + head + tail)
    p = memo.texts.data
    memcpy(p, start, prefix)
    memcpy(p + prefix, text_end, suffix)
    memcpy(p + prefix + suffix, patched, head)
    memcpy(p + prefix + suffix + head, patched + head + inside, tail)
    memo.suffix = suffix
    memo.head = head
    memo.tail = tail
    memo.prefix = prefix
    return 0


cdef inline Place skip_field(Place p, Place end) noexcept nogil:
    """`data:` and its one space; NULL: something else stands here."""
    if end - p < 6 or memcmp(p, b"data:", 5) != 0:
        return NULL
    return p + (6 if p[5] == c' ' else 5)


cdef inline Place skip_same(Place p, Place end, const char *text, Py_ssize_t size) noexcept nogil:
    if end - p < size or memcmp(p, text, size) != 0:
        return NULL
    return p + size


cdef inline Place skip_blank_line(Place p, Place end) noexcept nogil:
    """The end of a line and a blank one, both LF or both CRLF; other pairs are left to who reads line by line."""
    if end - p >= 2 and p[0] == c'\n' and p[1] == c'\n':
        return p + 2
    return skip_same(p, end, b"\r\n\r\n", 4)


cdef inline Place read_like(const Memo *memo, Place p, Place end, Repeat *found) noexcept nogil:
    """An event of this shape and its blank line; NULL: this is another, or not all of it is here."""
    cdef Walk walk
    p = skip_field(p, end)
    if p is not NULL:
        p = skip_same(p, end, memo.texts.data, memo.prefix)
    if p is NULL:
        return NULL
    walk.shrink = 0
    walk.are_halves_allowed = True
    found.inside = p
    p = skip_string(p, end, &walk)
    if p is NULL or p == found.inside + 1:
        return NULL  # an empty string says nothing: such an event means something else
    found.size = p - 1 - found.inside
    found.unescaped = found.size - walk.shrink
    p = skip_same(p, end, memo.texts.data + memo.prefix, memo.suffix)
    if p is NULL:
        return NULL
    return skip_blank_line(p, end)


cdef inline int write_like(const Memo *memo, Buffer *out, const Repeat *found) except -1:
    """Append the frame of an event of this shape."""
    cdef const char *patched = memo.texts.data + memo.prefix + memo.suffix
    cdef char *p
    reserve(out, memo.head + found.size + memo.tail)
    p = out.data + out.size
    memcpy(p, patched, memo.head)
    memcpy(p + memo.head, found.inside, found.size)
    memcpy(p + memo.head + found.size, patched + memo.head, memo.tail)
    out.size += memo.head + found.size + memo.tail
    return 0
