"""What a chat request asks for, and its body as a provider gets it. Most requests say nothing rare: those need no decoder.

`plain` is a short cut. Whatever it does not know leaves it, and `proxy.decode` reads the request by its typed view.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp, memcpy

from edgeproxy._core.spans cimport Member, Spans

cdef enum:
    TOKEN_BYTES = 4          # of a text, before the provider has counted it
    EXPECTED_OUTPUT = 256    # tokens, when the client sets no limit
    MOST_EXPECTED = 4096
    MOST_TOKENS = 0x7FFFFFFF

BYTES_PER_TOKEN = TOKEN_BYTES


cdef enum Kind:
    PASSED        # the provider's business alone
    RARE
    USER
    MODEL
    STREAM
    STREAM_OPTIONS
    MESSAGES
    MAX_TOKENS
    MAX_COMPLETION_TOKENS


cdef inline bint named(const Member *member, const char *name, Py_ssize_t size) noexcept nogil:
    return memcmp(member.key, name, size) == 0


cdef Kind kind_of(const Member *member) noexcept nogil:
    cdef Py_ssize_t size = member.key_size
    if size == 1:
        return RARE if named(member, b"n", 1) else PASSED
    if size == 4:
        return USER if named(member, b"user", 4) else PASSED
    if size == 5:
        if named(member, b"model", 5):
            return MODEL
        rare = named(member, b"route", 5) or named(member, b"usage", 5) or named(member, b"trace", 5)
        return RARE if rare or named(member, b"debug", 5) else PASSED
    if size == 6:
        if named(member, b"stream", 6):
            return STREAM
        return RARE if named(member, b"models", 6) or named(member, b"preset", 6) else PASSED
    if size == 7:
        return RARE if named(member, b"plugins", 7) else PASSED
    if size == 8:
        if named(member, b"messages", 8):
            return MESSAGES
        return RARE if named(member, b"provider", 8) else PASSED
    if size == 10:
        if named(member, b"max_tokens", 10):
            return MAX_TOKENS
        return RARE if named(member, b"transforms", 10) or named(member, b"session_id", 10) else PASSED
    if size == 14:
        return STREAM_OPTIONS if named(member, b"stream_options", 14) else PASSED
    if size == 21:
        return MAX_COMPLETION_TOKENS if named(member, b"max_completion_tokens", 21) else PASSED
    return PASSED


cdef int64_t tokens_of(const char *text, Py_ssize_t size) noexcept nogil:
    """A number from 1 to MOST_TOKENS without anything around its digits, or 0."""
    cdef int64_t value = 0
    cdef Py_ssize_t i
    if size > 10 or text[0] == c'0':
        return 0
    for i in range(size):
        if not c'0' <= text[i] <= c'9':
            return 0
        value = 10 * value + text[i] - c'0'
    return value if value <= MOST_TOKENS else 0


cdef bint is_usage_wanted(const char *text, Py_ssize_t size) noexcept nogil:
    """The two spellings of that one wish which clients have."""
    return (
        size == 22 and memcmp(text, b'{"include_usage":true}', 22) == 0
        or size == 23 and memcmp(text, b'{"include_usage": true}', 23) == 0
    )


@cython.final
@cython.freelist(64)
cdef class Asked:
    """A request that is well formed. `preferences` is its `provider` object."""

    def __init__(
        self, Spans spans not None, str model not None, bint is_stream, bint wants_usage, preferences,
        Py_ssize_t prompt_bytes, int64_t output_limit, int64_t choices
    ):
        self.fill(spans, model, is_stream, prompt_bytes, output_limit)
        self.wants_usage = wants_usage
        self.preferences = preferences
        self.choices = choices

    cdef int fill(
        self, Spans spans, str model, bint is_stream, Py_ssize_t prompt_bytes, int64_t output_limit
    ) except -1:
        self.spans = spans
        self.model = model
        self.is_stream = is_stream
        self.prompt_tokens = prompt_bytes // TOKEN_BYTES + 1
        self.output_limit = output_limit
        self.expected_output = min(output_limit, MOST_EXPECTED) if output_limit else EXPECTED_OUTPUT
        self.choices = 1
        return 0

    cpdef bytes with_model(self, bytes model, bytes add):
        """The body of a plain request with `model` (JSON) for its model and the members `add` behind all others."""
        if not self.is_plain:
            raise ValueError("the request is not plain")
        if model is None or add is None:
            raise TypeError("a body is made of texts")
        cdef Spans spans = self.spans
        cdef const char *body = PyBytes_AS_STRING(spans.body)
        cdef Member *member = spans.members + self.model_index
        cdef Py_ssize_t last = spans.members[spans.size - 1].stop, more = PyBytes_GET_SIZE(add)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(spans.body) + PyBytes_GET_SIZE(model) - member.stop + member.start
        cdef bytes made = PyBytes_FromStringAndSize(NULL, size + more + (1 if more else 0))
        cdef char *p = PyBytes_AS_STRING(made)
        p = put(p, body, member.start)
        p = put(p, PyBytes_AS_STRING(model), PyBytes_GET_SIZE(model))
        p = put(p, body + member.stop, last - member.stop)
        if more:
            p[0] = c','
            p = put(p + 1, PyBytes_AS_STRING(add), more)
        put(p, body + last, PyBytes_GET_SIZE(spans.body) - last)
        return made


cdef inline char *put(char *to, const char *text, Py_ssize_t size) noexcept nogil:
    memcpy(to, text, size)
    return to + size


cpdef Asked plain(Spans spans):
    """The request, when it says nothing rare; None leaves it, good or bad, to whoever reads all of it."""
    if spans is None:
        raise TypeError("a request has spans")
    cdef const char *body = PyBytes_AS_STRING(spans.body)
    cdef const char *value
    cdef Member *member
    cdef Kind kind
    cdef Py_ssize_t i, size, model_index = -1, prompt_bytes = 0
    cdef int64_t limit = 0, newer_limit = 0
    cdef bint is_stream = False, wants_usage = False
    for i in range(spans.size):
        member = spans.members + i
        kind = kind_of(member)
        if kind == PASSED:
            continue
        value = body + member.start
        size = member.stop - member.start
        if kind == MODEL:
            if size <= 2 or value[0] != c'"' or memchr(value, c'\\', size) is not NULL:
                return None
            model_index = i
        elif kind == USER:
            if value[0] != c'"':
                return None
        elif kind == STREAM_OPTIONS:
            if not is_usage_wanted(value, size):
                return None
            wants_usage = True
        elif kind == MESSAGES:
            if value[0] != c'[' or value[1] != c'{':
                return None
            prompt_bytes = size
        elif kind == STREAM:
            is_stream = size == 4 and memcmp(value, b"true", 4) == 0
            if not is_stream and not (size == 5 and memcmp(value, b"false", 5) == 0):
                return None
        elif kind == MAX_TOKENS:
            limit = tokens_of(value, size)
            if not limit:
                return None
        elif kind == MAX_COMPLETION_TOKENS:
            newer_limit = tokens_of(value, size)
            if not newer_limit:
                return None
        else:
            return None
    if model_index < 0 or not prompt_bytes:
        return None
    member = spans.members + model_index
    cdef Asked asked = Asked.__new__(Asked)
    asked.fill(
        spans, PyUnicode_DecodeUTF8(body + member.start + 1, member.stop - member.start - 2, NULL), is_stream,
        prompt_bytes, newer_limit or limit
    )
    asked.wants_usage = wants_usage
    asked.model_index = model_index
    asked.is_plain = True
    return asked
