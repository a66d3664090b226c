cimport cython

from edgeproxy._core.text cimport Place


cdef struct Member:
    Place key              # unescaped
    Py_ssize_t key_size
    Py_ssize_t key_at      # offset of the opening quote
    Py_ssize_t start       # the value: body[start:stop]
    Py_ssize_t stop


@cython.final
cdef class Spans:
    cdef readonly bytes body
    cdef Py_ssize_t opened    # offset behind the `{`
    cdef Member *members      # [size], in the order of the text
    cdef Py_ssize_t size
    cdef Py_ssize_t capacity
    cdef list unescaped       # keeps alive the keys that were written with escapes

    cdef int append(self, Member member) except -1
    cdef Py_ssize_t find(self, const char *key, Py_ssize_t size) noexcept nogil
    cdef Py_ssize_t repeated(self) except -2
    cdef char *write_member(self, char *p, const char *name, Py_ssize_t size, Py_ssize_t i) noexcept

    cpdef value(self, str key)
    cpdef span(self, str key)
    cpdef only(self, tuple names)


cpdef Spans scan(bytes body)
cpdef bytes splice(bytes body, Spans spans, dict replace, remove, bytes add)
