# cython: boundscheck=True
"""One pass over a chat event or reply: what it says, and the few edits that make it the contract's own.

Everything that the contract does not own is passed on byte for byte.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset, strlen

from edgeproxy._core.buffer cimport Buffer, append, append_text, dispose, reserve
from edgeproxy._core.chat cimport (
    FINISH_CONTENT_FILTER, FINISH_ERROR, FINISH_LENGTH, FINISH_NONE, FINISH_STOP, FINISH_TOOL_CALLS, PART_CHOICES,
    PART_CREATED, PART_FINGERPRINT, PART_ID, PART_MODEL, PART_OBJECT, PART_PROVIDER, finish_of, is_word, part_of,
    small_number,
)
from edgeproxy._core.decimal cimport put_number
from edgeproxy._core.json cimport (
    is_key, is_null, next_item, next_member, open_array, open_object, skip_space, skip_value,
)
from edgeproxy._core.said cimport read_message
from edgeproxy._core.text cimport FAULT_MEMORY, FAULT_NONE, FAULT_TOO_MANY, fail

cdef enum:
    FIRST_EDITS = 16
    MOST_EDITS = 4096     # more owned members in one event are an attack on memory
    USAGE_ROOM = 16       # for `"usage":` and its comma


cdef inline Text text_of(const char *literal) noexcept nogil:
    cdef Text text
    text.start = literal
    text.size = strlen(literal)
    return text


cdef Text[<int>FINISHES] FINISH_TEXTS
FINISH_TEXTS[<int>FINISH_NONE] = text_of(b"null")
FINISH_TEXTS[<int>FINISH_STOP] = text_of(b'"stop"')
FINISH_TEXTS[<int>FINISH_LENGTH] = text_of(b'"length"')
FINISH_TEXTS[<int>FINISH_TOOL_CALLS] = text_of(b'"tool_calls"')
FINISH_TEXTS[<int>FINISH_CONTENT_FILTER] = text_of(b'"content_filter"')
FINISH_TEXTS[<int>FINISH_ERROR] = text_of(b'"error"')

cdef Text BODY_OBJECT = text_of(b'"object":"chat.completion",')
cdef Text NO_DELTA = text_of(b',"delta":{}')
cdef Text NO_FINISH = text_of(b',"finish_reason":null')
cdef Text NATIVE = text_of(b',"native_finish_reason":')


cdef inline char *put(char *target, const void *source, Py_ssize_t size) noexcept nogil:
    memcpy(target, source, size)
    return target + size


cdef inline Span span_of(Place start, Place stop) noexcept nogil:
    cdef Span span
    span.start = start
    span.stop = stop
    return span


cdef bytes bytes_of(Span span):
    return PyBytes_FromStringAndSize(<const char *>span.start, span.stop - span.start)


cdef inline Text inner(Text member, Py_ssize_t key_size) noexcept nogil:
    """The value of a `"key":value,`."""
    member.start += key_size
    member.size -= key_size + 1
    return member


cdef Py_ssize_t put_member(Buffer *out, const char *start, bytes text) except -1:
    """`start` ends in the quote that opens the value. The answer is where the member ends."""
    append_text(out, start)
    append(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    append_text(out, b'",')
    return out.size


@cython.final
@cython.freelist(64)
cdef class ChatPatch:
    """Reads one event or reply at a time, and writes it out patched. The texts given are JSON without quotes."""

    cdef int set_up(
        self, bytes generation, bytes model, bytes provider, long long created, bint native_finish
    ) except -1:
        cdef Py_ssize_t part
        cdef Py_ssize_t ends[<int>PARTS]
        cdef Buffer *owned = &self.owned
        self.native_finish = native_finish
        ends[<int>PART_ID] = put_member(owned, b'"id":"', generation)
        append_text(owned, b'"object":"chat.completion.chunk",')
        ends[<int>PART_OBJECT] = owned.size
        append_text(owned, b'"created":')
        put_number(owned, created)
        append_text(owned, b",")
        ends[<int>PART_CREATED] = owned.size
        ends[<int>PART_MODEL] = put_member(owned, b'"model":"', model)
        ends[<int>PART_PROVIDER] = put_member(owned, b'"provider":"', provider)
        append_text(owned, b'"choices":[],')
        ends[<int>PART_CHOICES] = owned.size
        append_text(owned, b'"system_fingerprint":null,')
        ends[<int>PART_FINGERPRINT] = owned.size
        for part in range(<int>PARTS):
            self.members[part].start = owned.data + (ends[part - 1] if part else 0)
            self.members[part].size = ends[part] - (ends[part - 1] if part else 0)
        self.values[<int>PART_ID] = inner(self.members[<int>PART_ID], len(b'"id":'))
        self.values[<int>PART_MODEL] = inner(self.members[<int>PART_MODEL], len(b'"model":'))
        self.values[<int>PART_PROVIDER] = inner(self.members[<int>PART_PROVIDER], len(b'"provider":'))
        return 0

    def __init__(self):
        raise TypeError("it is a part of the scanner that scanner_for makes")

    def __dealloc__(self):
        free(self.edits)
        dispose(&self.owned)
        dispose(&self.last_usage)

    cdef bint read(self, Place start, Place end, bint is_body) except -1:
        """False: this is no valid JSON object."""
        cdef Place p = skip_space(start, end)
        self.is_body = is_body
        self.forget()
        if p == end or p[0] != c'{':
            return False
        self.object.start = p
        p = self.read_top(p, end)
        if self.walk.fault == FAULT_MEMORY:
            raise MemoryError()
        if p is NULL or self.walk.fault != FAULT_NONE or skip_space(p, end) != end:
            return False
        self.object.stop = p
        self.remember()
        return True

    cdef void forget(self) noexcept nogil:
        """Make ready for the next text."""
        self.walk.fault = FAULT_NONE
        self.walk.are_halves_allowed = True
        self.edit_count = self.edit_bytes = self.said.size = self.said.parts = 0
        self.present = 0
        self.finished = 0
        self.last_finish = FINISH_NONE
        self.has_members = self.has_usage = self.is_error_object = self.has_choices = False
        self.said.has_content = self.said.has_role = False
        self.id.start = self.model.start = self.native.start = NULL
        self.error.start = self.usage.start = self.inner_usage.start = NULL

    cdef int remember(self) except -1:
        """The text was valid to its end: now what it says may outlast it."""
        if self.upstream_id is None and self.id.start is not NULL:
            self.upstream_id = bytes_of(self.id)
        if self.upstream_model is None and self.model.start is not NULL:
            self.upstream_model = bytes_of(self.model)
        if self.native.start is not NULL:
            self.native_finish_reason = bytes_of(self.native)
        if self.last_finish != FINISH_NONE:
            self.finish = self.last_finish
        if self.usage.start is NULL:
            self.usage = self.inner_usage
        if self.usage.start is not NULL:
            self.last_usage.size = 0
            append(&self.last_usage, self.usage.start, self.usage.stop - self.usage.start)
        return 0

    cdef Place read_top(self, Place p, Place end) noexcept nogil:
        cdef Place at, behind = NULL  # behind: the end of the member before
        cdef Place cut = NULL         # a member that goes, and nothing that stays stands in front of it
        cdef bint goes
        p = open_object(p, end, &self.walk)
        while p is not NULL and not self.walk.is_closed:
            at = self.walk.key_at
            goes = not self.is_body and is_key(&self.walk, b"usage", 5)
            if cut is not NULL:
                self.edit(cut, at, NULL, 0)
                cut = NULL
            p = self.read_member(p, end)
            if p is NULL:
                return NULL
            if not goes:
                self.has_members = True
            elif self.has_members:
                self.edit(behind, p, NULL, 0)
            else:
                cut = at
            behind = p
            p = next_member(p, end, &self.walk)
        if p is not NULL and cut is not NULL:
            self.edit(cut, behind, NULL, 0)
        return p

    cdef Place read_member(self, Place p, Place end) noexcept nogil:
        cdef Place start = p
        cdef Part part = part_of(&self.walk)
        cdef bint is_error
        if part != PARTS:
            self.present |= 1 << <int>part
            if part == PART_CHOICES:
                p = self.read_choices(p, end)
            else:
                p = skip_value(p, end, &self.walk, 1)
            if p is not NULL:
                p = self.own(part, start, p)
            return p
        if is_key(&self.walk, b"usage", 5):
            return self.read_usage(p, end)
        is_error = is_key(&self.walk, b"error", 5)
        p = skip_value(p, end, &self.walk, 1)
        if is_error and p is not NULL and not is_null(start, p):
            self.error = span_of(start, p)
        return p

    cdef Place own(self, Part part, Place start, Place stop) noexcept nogil:
        """Put our value in the place of the provider's, and remember his."""
        if part == PART_OBJECT:
            self.is_error_object = is_word(start, stop - start, b'"error"', 7)
        elif part == PART_ID and start[0] == c'"':
            self.id = span_of(start + 1, stop - 1)
        elif part == PART_MODEL and start[0] == c'"':
            self.model = span_of(start + 1, stop - 1)
        if self.values[<int>part].size == 0:
            return stop
        return self.edit(start, stop, self.values[<int>part].start, self.values[<int>part].size)

    cdef Place read_usage(self, Place p, Place end) noexcept nogil:
        cdef Place start = p
        p = skip_value(p, end, &self.walk, 1)
        if p is not NULL and start[0] == c'{':
            self.usage = span_of(start, p)
        if p is not NULL and self.is_body:
            self.has_usage = True
            return self.edit(start, p, NULL, -1)
        return p

    cdef Place read_choices(self, Place p, Place end) noexcept nogil:
        if p == end or p[0] != c'[':
            return skip_value(p, end, &self.walk, 1)
        p = open_array(p, end, &self.walk)
        while p is not NULL and not self.walk.is_closed:
            self.has_choices = True
            if p < end and p[0] == c'{':
                p = self.read_choice(p, end)
            else:
                p = skip_value(p, end, &self.walk, 2)
            p = next_item(p, end, &self.walk)
        return p

    cdef Place read_choice(self, Place p, Place end) noexcept nogil:
        cdef bint is_bare
        memset(&self.choice, 0, sizeof(Choice))
        self.choice.native_edits = -1
        p = open_object(p, end, &self.walk)
        is_bare = self.walk.is_closed
        while p is not NULL and not self.walk.is_closed:
            p = next_member(self.read_choice_member(p, end), end, &self.walk)
        if p is not NULL:
            self.complete_choice(p - 1, is_bare)
        return p

    cdef Place read_choice_member(self, Place p, Place end) noexcept nogil:
        cdef Place start = p
        cdef Walk *walk = &self.walk
        cdef bint is_index, is_native, is_error, is_usage
        if is_key(walk, b"message", 7) if self.is_body else is_key(walk, b"delta", 5):
            self.choice.has_message = True
            return read_message(p, end, &self.walk, &self.said)
        if is_key(walk, b"finish_reason", 13):
            return self.read_finish(p, end)
        is_index = is_key(walk, b"index", 5)
        is_native = is_key(walk, b"native_finish_reason", 20)
        is_error = is_key(walk, b"error", 5)
        is_usage = is_key(walk, b"usage", 5)
        p = skip_value(p, end, walk, 3)
        if p is NULL:
            return NULL
        if is_index:
            self.choice.index = small_number(start, p)
        elif is_native:
            self.choice.native = span_of(start, p)
        elif is_error and not is_null(start, p):
            self.error = span_of(start, p)
        elif is_usage and start[0] == c'{':
            self.inner_usage = span_of(start, p)
        return p

    cdef Place read_finish(self, Place p, Place end) noexcept nogil:
        cdef Place start = p
        cdef Text text
        p = skip_value(p, end, &self.walk, 3)
        if p is NULL:
            return NULL
        self.choice.finish = finish_of(start, p)
        self.choice.has_finish = True
        text = FINISH_TEXTS[<int>self.choice.finish]
        if not is_word(start, p - start, text.start, text.size):
            self.edit(start, p, text.start, text.size)
        if self.native_finish:
            self.forget_native()
            self.choice.native_edits = self.edit_count
            self.edit(p, p, NATIVE.start, NATIVE.size)
            if self.choice.finish == FINISH_NONE:
                self.edit(p, p, b"null", 4)
            else:
                self.edit(p, p, <const char *>start, p - start)
        if self.choice.finish != FINISH_NONE:
            self.native = span_of(start + 1, p - 1)
        return p

    cdef inline void forget_native(self) noexcept nogil:
        """Take back the native_finish_reason that was to be added."""
        if 0 <= self.choice.native_edits < self.edit_count - 1:
            self.edits[self.choice.native_edits].size = 0
            self.edits[self.choice.native_edits + 1].size = 0

    cdef void complete_choice(self, Place at, bint is_bare) noexcept nogil:
        """Note how the choice ends; put in front of its `}` what every choice must have."""
        cdef Choice *choice = &self.choice
        cdef Py_ssize_t comma = 1 if is_bare else 0  # the first text leaves its own out
        if choice.finish != FINISH_NONE:
            self.last_finish = choice.finish
            self.finished |= <uint64_t>1 << choice.index
        if not choice.has_message and not self.is_body:
            self.edit(at, at, NO_DELTA.start + comma, NO_DELTA.size - comma)
            comma = 0
        if not choice.has_finish:
            self.edit(at, at, NO_FINISH.start + comma, NO_FINISH.size - comma)
        if choice.native.start is not NULL:
            self.forget_native()
            if choice.native.start[0] == c'"' and choice.native.stop - choice.native.start > 2:
                self.native = span_of(choice.native.start + 1, choice.native.stop - 1)
        elif self.native_finish and not choice.has_finish:
            self.edit(at, at, NATIVE.start, NATIVE.size)
            self.edit(at, at, b"null", 4)

    cdef Place edit(self, Place at, Place to, const char *text, Py_ssize_t size) noexcept nogil:
        """Replace the text from `at` to `to`; edits are noted in the order of the text."""
        cdef Edit *grown
        cdef Py_ssize_t capacity
        if self.edit_count == MOST_EDITS:
            return fail(&self.walk, FAULT_TOO_MANY, at)
        if self.edit_count == self.edit_capacity:
            capacity = max(2 * self.edit_capacity, FIRST_EDITS)
            grown = <Edit *>realloc(self.edits, capacity * sizeof(Edit))
            if grown is NULL:
                return fail(&self.walk, FAULT_MEMORY, at)
            self.edits = grown
            self.edit_capacity = capacity
        self.edits[self.edit_count].at = at
        self.edits[self.edit_count].to = to
        self.edits[self.edit_count].text = text
        self.edits[self.edit_count].size = size
        self.edit_count += 1
        self.edit_bytes += max(size, 0)
        return to

    cdef int write(self, Buffer *out, bytes usage) except -1:
        """Append the patched text. `usage` takes the place of a reply's own, unless it is empty."""
        cdef Py_ssize_t given = PyBytes_GET_SIZE(usage)
        cdef Place source = self.object.start + 1
        cdef Edit *edit
        cdef char *p
        cdef Py_ssize_t i, room = self.object.stop - self.object.start + self.edit_bytes
        room += self.owned.size + (self.edit_count + 1) * given + USAGE_ROOM
        reserve(out, room)
        p = out.data + out.size
        p[0] = c'{'
        p = self.write_missing(p + 1, usage)
        for i in range(self.edit_count):
            edit = &self.edits[i]
            if edit.size < 0 and given == 0:
                continue
            p = put(p, source, edit.at - source)
            p = put(p, PyBytes_AS_STRING(usage), given) if edit.size < 0 else put(p, edit.text, edit.size)
            source = edit.to
        p = put(p, source, self.object.stop - source)
        out.size = p - out.data
        return 0

    cdef char *write_missing(self, char *p, bytes usage) noexcept:  # nothing here raises
        """The members that every reply has and this one lacks, at its head."""
        cdef int part
        cdef char *start = p
        for part in range(<int>PARTS):
            if self.present & (1 << part) or (part == PART_FINGERPRINT and not self.is_body):
                continue
            if part == PART_OBJECT and self.is_body:
                p = put(p, BODY_OBJECT.start, BODY_OBJECT.size)
            else:
                p = put(p, self.members[part].start, self.members[part].size)
        if self.is_body and not self.has_usage and PyBytes_GET_SIZE(usage):
            p = put(p, b'"usage":', 8)
            p = put(p, PyBytes_AS_STRING(usage), PyBytes_GET_SIZE(usage))
            p = put(p, b",", 1)
        return p - 1 if p > start and not self.has_members else p
