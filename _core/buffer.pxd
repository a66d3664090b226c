# Growable bytes with room in front of them and behind, so that a frame (a chunk size, a line end) can be put around
# them without a copy: data[-HEADROOM:0] and data[size:size + TAILROOM] may be written at any time after `reserve`.
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, strlen

cdef enum:
    HEADROOM = 16
    TAILROOM = 16
    FIRST_ROOM = 992        # with both rooms an allocation of 1 KiB
    KEPT_ROOM = 64 * 1024   # what an emptied buffer may keep: one giant event must not cost memory for a whole stream

cdef struct Buffer:
    char *data            # NULL until the first `reserve`
    Py_ssize_t size
    Py_ssize_t capacity   # the rooms not counted


cdef inline int reserve(Buffer *buffer, Py_ssize_t more) except -1:
    """Make sure that `more` bytes can be written at data + size."""
    cdef Py_ssize_t capacity = buffer.capacity
    cdef char *base
    if buffer.data is not NULL and buffer.size + more <= capacity:
        return 0
    capacity = max(2 * capacity, buffer.size + more, FIRST_ROOM)
    base = NULL if buffer.data is NULL else buffer.data - HEADROOM
    base = <char *>realloc(base, HEADROOM + capacity + TAILROOM)
    if base is NULL:
        raise MemoryError()
    buffer.data = base + HEADROOM
    buffer.capacity = capacity
    return 0


cdef inline int append(Buffer *buffer, const void *data, Py_ssize_t size) except -1:
    reserve(buffer, size)
    memcpy(buffer.data + buffer.size, data, size)
    buffer.size += size
    return 0


cdef inline int append_text(Buffer *buffer, const char *text) except -1:
    return append(buffer, text, strlen(text))


cdef inline void dispose(Buffer *buffer) noexcept nogil:
    if buffer.data is not NULL:
        free(buffer.data - HEADROOM)
    buffer.data = NULL
    buffer.size = buffer.capacity = 0


cdef inline void clear(Buffer *buffer) noexcept nogil:
    buffer.size = 0
    if buffer.capacity > KEPT_ROOM:
        dispose(buffer)
