cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.buffer cimport Buffer
from edgeproxy._core.chat cimport FINISHES, PARTS, Finish, Part
from edgeproxy._core.said cimport Said
from edgeproxy._core.text cimport Place, Walk

cdef struct Text:
    const char *start
    Py_ssize_t size

cdef struct Span:
    Place start  # NULL: not there
    Place stop

cdef struct Edit:
    Place at            # the text from `at` to `to` is replaced by the `size` bytes at `text`
    Place to
    const char *text
    Py_ssize_t size     # -1: the usage that the writer is given goes here

cdef struct Choice:
    int index
    Finish finish
    Py_ssize_t native_edits  # index of the two edits that add native_finish_reason, or -1
    Span native              # the provider's own native_finish_reason
    bint has_finish
    bint has_message         # `delta`, or `message` in a whole reply


@cython.final
cdef class ChatPatch:
    # What the contract owns, as JSON.
    cdef Buffer owned
    cdef Text members[PARTS]   # `"key":value,` for when it is missing; object is the event's
    cdef Text values[PARTS]    # what takes the place of the provider's value; size 0: his stays
    cdef bint native_finish

    # The text that was read last. Places point into it, so they are good only while its owner keeps it.
    cdef Walk walk
    cdef bint is_body          # a whole chat.completion, not an event
    cdef Span object
    cdef Edit *edits           # [edit_count], in the order of the text
    cdef Py_ssize_t edit_count
    cdef Py_ssize_t edit_capacity
    cdef Py_ssize_t edit_bytes
    cdef unsigned int present  # bit `1 << part`
    cdef bint has_members      # something stands in front of the `}`
    cdef bint has_usage        # of a whole reply: a member to be replaced is there
    cdef bint is_error_object  # "object":"error"
    cdef bint has_choices      # something stands in `choices`
    cdef uint64_t finished     # bit `1 << index` of each choice that has a finish_reason
    cdef Said said
    cdef Finish last_finish
    cdef Span id
    cdef Span model
    cdef Span native           # the provider's own finish_reason, without quotes
    cdef Span error
    cdef Span usage            # a usage object at the top level
    cdef Span inner_usage      # one inside a choice
    cdef Choice choice

    # What is remembered from all that was read.
    cdef Finish finish
    cdef bytes native_finish_reason
    cdef bytes upstream_id
    cdef bytes upstream_model
    cdef Buffer last_usage

    cdef int set_up(
        self, bytes generation, bytes model, bytes provider, long long created, bint native_finish
    ) except -1
    cdef bint read(self, Place start, Place end, bint is_body) except -1
    cdef int write(self, Buffer *out, bytes usage) except -1

    cdef void forget(self) noexcept nogil
    cdef int remember(self) except -1
    cdef char *write_missing(self, char *p, bytes usage) noexcept
    cdef void forget_native(self) noexcept nogil
    cdef Place read_top(self, Place p, Place end) noexcept nogil
    cdef Place read_member(self, Place p, Place end) noexcept nogil
    cdef Place own(self, Part part, Place start, Place stop) noexcept nogil
    cdef Place read_usage(self, Place p, Place end) noexcept nogil
    cdef Place read_choices(self, Place p, Place end) noexcept nogil
    cdef Place read_choice(self, Place p, Place end) noexcept nogil
    cdef Place read_choice_member(self, Place p, Place end) noexcept nogil
    cdef Place read_finish(self, Place p, Place end) noexcept nogil
    cdef void complete_choice(self, Place at, bint is_bare) noexcept nogil
    cdef Place edit(self, Place at, Place to, const char *text, Py_ssize_t size) noexcept nogil
