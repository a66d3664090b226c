# cython: boundscheck=True
"""Chat streams: bytes in, however they are cut; whole events out, patched and framed as `data: {…}` LF LF.

No clock, no I/O. The fields that the contract owns are patched by `patch`; here are lines, events and their meaning.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp, memset

from edgeproxy._core.buffer cimport append, clear, dispose
from edgeproxy._core.chat cimport FINISH_ERROR
from edgeproxy._core.lines cimport find, is_done_mark, replace_bytes, trimmed
from edgeproxy._core.memo cimport Repeat, learn, read_like, write_like
from edgeproxy._core.said cimport Said

ERROR_EVENT = FAILURE_ERROR_EVENT
LINE_TOO_LONG = FAILURE_LINE_TOO_LONG
EVENT_TOO_LONG = FAILURE_EVENT_TOO_LONG
MALFORMED = FAILURE_MALFORMED

cdef tuple FINISH_NAMES = (None, b"stop", b"length", b"tool_calls", b"content_filter", b"error")


cdef bytes text_of(Span span):
    return PyBytes_FromStringAndSize(<const char *>span.start, span.stop - span.start)


cpdef ChatScanner scanner_for(bytes generation, bytes model, bytes provider, long long created, bint native_finish):
    """The scanner of one reply, which puts in what the contract owns: texts are JSON without quotes, a Unix time."""
    cdef ChatScanner scanner = ChatScanner.__new__(ChatScanner)
    if generation is None or model is None or provider is None:
        raise TypeError("the texts of a scanner are bytes")
    scanner.chat.set_up(generation, model, provider, created, native_finish)
    return scanner


@cython.final
@cython.freelist(64)
cdef class ChatScanner:
    """One reply of a provider that speaks the OpenAI chat dialect."""

    def __cinit__(self):
        self.chat = ChatPatch.__new__(ChatPatch)
        self.is_first_line = True

    def __init__(self):
        raise TypeError("a scanner is made by scanner_for")

    def __dealloc__(self):
        dispose(&self.out)
        dispose(&self.carry)
        dispose(&self.joined)
        dispose(&self.memo.texts)

    cdef void clear_out(self) noexcept:  # nothing here raises
        clear(&self.out)

    cdef int fail(self, Failure failure) except -1:
        if self.is_done:
            # What follows the end cannot spoil it.
            self.saw_data_after_done = True
            clear(&self.carry)
            return 0
        self.failure = failure
        dispose(&self.carry)
        dispose(&self.joined)
        self.data.start = NULL
        return 0

    cdef int feed_raw(self, const unsigned char *data, Py_ssize_t size) except -1:
        cdef Place p = data
        cdef Place end = data + size
        cdef Place lf, cr, stop
        cdef bint is_blank
        if self.failure or size == 0:
            return 0
        if self.is_after_cr and p[0] == c'\n':
            p += 1
        self.is_after_cr = False
        p += self.repeat(p, end)
        if p == end:
            return 0
        lf = find(p, end, c'\n')
        cr = find(p, end, c'\r')
        while not self.failure:
            stop = min(lf, cr)
            if stop == end:
                return self.keep(p, end)
            is_blank = stop == p
            self.take_line(p, stop - p)
            p = stop + 1
            if stop == cr:
                self.is_after_cr = p == end
                if p == lf:
                    p += 1
            if is_blank:
                p += self.repeat(p, end)
            # Each kind is looked for only when it has been passed: a piece is searched once for each, not once a line.
            if lf < p:
                lf = find(p, end, c'\n')
            if cr < p:
                cr = find(p, end, c'\r')
        return 0

    cdef Py_ssize_t repeat(self, Place start, Place end) except -1:
        """Put out the whole events here that repeat the shape of the last one. The answer is the size of them all."""
        cdef Place behind, p = start
        cdef Repeat found
        if self.memo.prefix == 0 or self.data_lines or self.carry.size or self.is_error_type:
            return 0
        while not self.failure and not self.is_done:
            behind = read_like(&self.memo, p, end, &found)
            if behind is NULL or behind - p > LINE_LIMIT:
                break
            write_like(&self.memo, &self.out, &found)
            self.data_events += 1
            self.meaningful_events += 1
            self.content_bytes += found.unescaped
            p = behind
        return p - start

    cdef int keep(self, Place p, Place end) except -1:
        """Copy what the next piece will need of this one."""
        if self.data.start is not NULL:
            append(&self.joined, self.data.start, self.data.stop - self.data.start)
            self.data.start = NULL
        if self.carry.size + (end - p) > LINE_LIMIT:
            return self.fail(FAILURE_LINE_TOO_LONG)
        if p < end:
            append(&self.carry, p, end - p)
        return 0

    cdef int take_line(self, Place p, Py_ssize_t size) except -1:
        if self.carry.size + size > LINE_LIMIT:
            return self.fail(FAILURE_LINE_TOO_LONG)
        if self.carry.size == 0:
            return self.read_line(p, p + size, False)
        append(&self.carry, p, size)
        self.read_line(<Place>self.carry.data, <Place>self.carry.data + self.carry.size, True)
        clear(&self.carry)
        return 0

    cdef int read_line(self, Place p, Place end, bint is_kept) except -1:
        """One line without its end. `is_kept`: it lies in `carry`, whose bytes do not last."""
        if self.is_first_line:
            self.is_first_line = False
            if end - p >= 3 and p[0] == 0xEF and p[1] == 0xBB and p[2] == 0xBF:
                p += 3
        if p == end:
            return self.dispatch()
        if p[0] == c':':
            self.comments += 1
        elif end - p >= 5 and memcmp(p, b"data:", 5) == 0:
            p += 5
            if p < end and p[0] == c' ':
                p += 1
            return self.add_data(p, end, is_kept)
        elif end - p == 4 and memcmp(p, b"data", 4) == 0:
            return self.add_data(end, end, is_kept)
        elif end - p >= 6 and memcmp(p, b"event:", 6) == 0:
            p += 6
            if p < end and p[0] == c' ':
                p += 1
            self.is_error_type = end - p == 5 and memcmp(p, b"error", 5) == 0
        return 0

    cdef int add_data(self, Place p, Place end, bint is_kept) except -1:
        if self.is_done:
            self.saw_data_after_done = self.saw_data_after_done or p < end
            return 0
        self.data_lines += 1
        if self.data_lines == 1 and not is_kept:
            self.data.start = p
            self.data.stop = end
            return 0
        if self.data.start is not NULL:
            append(&self.joined, self.data.start, self.data.stop - self.data.start)
            self.data.start = NULL
        if self.joined.size + (end - p) + 1 > EVENT_LIMIT:
            return self.fail(FAILURE_EVENT_TOO_LONG)
        if self.data_lines > 1:
            append(&self.joined, b"\n", 1)
        return append(&self.joined, p, end - p)

    cdef int dispatch(self) except -1:
        """A blank line: the event is complete."""
        cdef bint is_error = self.is_error_type
        cdef Py_ssize_t lines = self.data_lines
        cdef Span text = self.data
        self.is_error_type = False
        if lines == 0:
            return 0
        if text.start is NULL:
            text.start = <Place>self.joined.data
            text.stop = text.start + self.joined.size
        text = trimmed(text.start, text.stop)
        self.data.start = NULL
        self.data_lines = 0
        if is_done_mark(text.start, text.stop):
            self.is_done = True
        elif text.start < text.stop:
            self.take_event(text.start, text.stop, is_error, lines > 1)
        clear(&self.joined)
        return 0

    cdef int take_event(self, Place p, Place end, bint is_error, bint has_lines) except -1:
        cdef ChatPatch chat = self.chat
        cdef bint is_valid = chat.read(p, end, False)
        self.data_events += 1
        if not is_valid and not is_error:
            return self.take_malformed(p, end)
        if is_error or chat.error.start is not NULL or chat.is_error_object:
            if not is_valid or chat.error.start is NULL:
                chat.error.start = p
                chat.error.stop = end
            self.error = text_of(chat.error)
            return self.fail(FAILURE_ERROR_EVENT)
        if self.is_usage_only():
            return 0
        self.has_role = self.has_role or chat.said.has_role
        self.finished |= chat.finished
        self.content_bytes += chat.said.size
        if chat.said.has_content or (chat.finished and chat.last_finish != FINISH_ERROR):
            self.meaningful_events += 1
            self.is_committed = True
        return self.put_out(has_lines)

    cdef bint is_usage_only(self) noexcept:
        """It brings usage, and nothing else that a client has not had already."""
        cdef ChatPatch chat = self.chat
        if chat.usage.start is NULL or chat.said.has_content or chat.finished & ~self.finished:
            return False
        return self.has_role or not chat.said.has_role

    cdef int put_out(self, bint has_lines) except -1:
        cdef Py_ssize_t start = self.out.size
        append(&self.out, b"data: ", 6)
        self.chat.write(&self.out, b"")
        if has_lines:
            # Between the tokens of JSON any space is as good as a line end, and frames in one line.
            replace_bytes(self.out.data + start, self.out.data + self.out.size, c'\n', c' ')
        append(&self.out, b"\n\n", 2)
        return 0 if has_lines else self.memorize(start)

    cdef int memorize(self, Py_ssize_t start) except -1:
        """Keep the shape of the event whose frame starts at `start`, if nothing but one string is new in it.

        What else it brought (a role, the upstream's id) counts once only, and has been counted.
        """
        cdef ChatPatch chat = self.chat
        cdef Said *said = &chat.said
        cdef Py_ssize_t i, tail
        if said.parts != 1 or said.text is NULL or chat.finished or chat.usage.start or chat.native.start:
            return 0
        tail = chat.object.stop - said.text_end + 3  # the closing quote, and the two line ends of the frame
        for i in range(chat.edit_count):
            if chat.edits[i].at >= said.text_end:
                tail += chat.edits[i].size - (chat.edits[i].to - chat.edits[i].at)
        return learn(
            &self.memo,
            chat.object.start,
            said.text,
            said.text_end,
            chat.object.stop,
            self.out.data + start,
            self.out.size - start - tail - (said.text_end - said.text - 2),
            tail,
        )

    cdef int take_malformed(self, Place p, Place end) except -1:
        """What cannot be read is passed on as it is, but not before the commit point, and not often."""
        cdef Place stop
        self.malformed += 1
        if not self.is_committed or self.malformed == MALFORMED_LIMIT:
            return self.fail(FAILURE_MALFORMED)
        while p <= end:
            stop = find(p, end, c'\n')
            append(&self.out, b"data: ", 6)
            append(&self.out, p, stop - p)
            append(&self.out, b"\n", 1)
            p = stop + 1
        return append(&self.out, b"\n", 1)

    cdef int end_raw(self) except -1:
        """The end of the stream: an event without its blank line is dropped, unless it is `[DONE]`."""
        cdef Span text
        if self.failure or self.is_done:
            return 0
        if self.carry.size:
            self.take_line(<Place>b"", 0)
        text = self.data
        if text.start is NULL:
            text.start = <Place>self.joined.data
            text.stop = text.start + self.joined.size
        text = trimmed(text.start, text.stop)
        self.is_done = is_done_mark(text.start, text.stop)
        clear(&self.joined)
        self.data_lines = 0
        return 0

    def feed(self, bytes data not None) -> None:
        """The next piece of the stream."""
        self.feed_raw(<Place>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def end(self) -> None:
        """The stream has ended."""
        self.end_raw()

    def take(self) -> bytes:
        """The events that were put out since the last call."""
        cdef bytes taken = PyBytes_FromStringAndSize(self.out.data, self.out.size) if self.out.size else b""
        self.clear_out()
        return taken

    cpdef bytes usage(self):
        """The last usage object, as it was sent."""
        if self.chat.last_usage.size == 0:
            return None
        return PyBytes_FromStringAndSize(self.chat.last_usage.data, self.chat.last_usage.size)

    cpdef bytes finish_reason(self):
        return FINISH_NAMES[<int>self.chat.finish]

    @property
    def native_finish_reason(self) -> bytes | None:
        return self.chat.native_finish_reason

    @property
    def upstream_id(self) -> bytes | None:
        return self.chat.upstream_id

    @property
    def upstream_model(self) -> bytes | None:
        return self.chat.upstream_model

    cpdef bint read_body(self, bytes body) except -1:
        """Read a whole chat.completion instead of a stream. False: it is no JSON object."""
        if body is None:
            raise TypeError("a body of bytes is asked for")
        cdef Place start = <Place>PyBytes_AS_STRING(body)
        cdef ChatPatch chat = self.chat
        self.body = None
        if not chat.read(start, start + PyBytes_GET_SIZE(body), True):
            self.malformed += 1
            self.failure = FAILURE_MALFORMED
            return False
        self.body = body
        self.content_bytes = chat.said.size
        self.is_committed = chat.said.has_content or (chat.finished != 0 and chat.last_finish != FINISH_ERROR)
        self.is_done = True
        if chat.error.start is NULL and chat.is_error_object:
            chat.error = chat.object
        if chat.error.start is not NULL:
            self.error = text_of(chat.error)
            self.failure = FAILURE_ERROR_EVENT
        return True

    cpdef bint has_choices(self) except -1:
        """Whether `choices` of the reply or event that was read last is a list with something in it."""
        return self.chat.has_choices

    cpdef bytes patch_body(self, bytes body, bytes usage):
        """A whole reply with the owned fields patched, and `usage` (JSON; empty: the provider's own stays) in it."""
        cdef Buffer out
        if body is None or usage is None:
            raise TypeError("a body and a usage of bytes are asked for")
        memset(&out, 0, sizeof(Buffer))
        if not (self.chat.is_body and body is self.body) and not self.read_body(body):
            raise ValueError("the reply is no JSON object")
        try:
            self.chat.write(&out, usage)
            return PyBytes_FromStringAndSize(out.data, out.size)
        finally:
            dispose(&out)
