# cython: boundscheck=True
"""Where the top-level members of a JSON object lie, found in one strict pass; and one-copy edits of such a body.

The values are never made into objects: a body is judged, looked up and rewritten as bytes.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy, memset

from edgeproxy._core.json cimport MAX_DEPTH, next_member, open_object, skip_space, skip_value
from edgeproxy._core.text cimport (
    FAULT_ARRAY,
    FAULT_COLON,
    FAULT_CONTROL,
    FAULT_DEPTH,
    FAULT_END,
    FAULT_ESCAPE,
    FAULT_KEY,
    FAULT_NUMBER,
    FAULT_OBJECT,
    FAULT_SURROGATE,
    FAULT_UTF8,
    FAULT_VALUE,
    Place,
    Walk,
    unescape,
)

cdef enum:
    FEW = 24        # members that are compared pair by pair; more are sorted
    KEY_SHOWN = 64  # characters of a client's key that an error repeats

cdef dict EXPECTED = {
    FAULT_END: "unexpected end",
    FAULT_VALUE: "expected a value",
    FAULT_NUMBER: "invalid number",
    FAULT_KEY: "expected a key in quotes",
    FAULT_COLON: "expected `:`",
    FAULT_OBJECT: "expected `,` or `}`",
    FAULT_ARRAY: "expected `,` or `]`",
    FAULT_CONTROL: "raw control character in a string",
    FAULT_ESCAPE: "invalid escape",
}


class SpanError(ValueError):
    """Why a body is refused; the message is fit for the client."""

    def __init__(self, message: str, code: str, offset: int, key: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset
        self.key = key


cdef object refusal(Walk *walk, Py_ssize_t offset):
    if walk.fault == FAULT_UTF8:
        return SpanError(f"invalid UTF-8 at byte {offset}", "utf8", offset)
    if walk.fault == FAULT_SURROGATE:
        return SpanError(f"lone surrogate at byte {offset}", "surrogate", offset)
    if walk.fault == FAULT_DEPTH:
        return SpanError(f"nesting deeper than {MAX_DEPTH:,}", "depth", offset)
    return SpanError(f"{EXPECTED[walk.fault]} at byte {offset}", "syntax", offset)


cdef int compare_keys(const void *left, const void *right) noexcept nogil:
    cdef const Member *a = (<const Member **>left)[0]
    cdef const Member *b = (<const Member **>right)[0]
    cdef int order
    if a.key_size != b.key_size:
        return 1 if a.key_size > b.key_size else -1
    order = memcmp(a.key, b.key, a.key_size)
    if order == 0:
        order = 1 if a.key_at > b.key_at else -1
    return order


cdef inline bint is_same_key(const Member *a, const Member *b) noexcept nogil:
    return a.key_size == b.key_size and memcmp(a.key, b.key, a.key_size) == 0


@cython.final
@cython.freelist(64)
cdef class Spans:
    """The top-level members of one body. Only `scan` makes them."""

    def __cinit__(self):
        self.body = b""

    def __dealloc__(self):
        PyMem_Free(self.members)

    cdef int append(self, Member member) except -1:
        cdef Member *grown
        if self.size == self.capacity:
            grown = <Member *>PyMem_Realloc(self.members, (2 * self.capacity + FEW) * sizeof(Member))
            if grown is NULL:
                raise MemoryError()
            self.members = grown
            self.capacity = 2 * self.capacity + FEW
        self.members[self.size] = member
        self.size += 1
        return 0

    cdef Py_ssize_t find(self, const char *key, Py_ssize_t size) noexcept nogil:
        """The index of a member, or -1."""
        cdef Py_ssize_t i
        for i in range(self.size):
            if self.members[i].key_size == size and memcmp(self.members[i].key, key, size) == 0:
                return i
        return -1

    cdef Py_ssize_t repeated(self) except -2:
        """The index of a member whose key stood before, or -1. Many members cannot make it slow."""
        cdef Py_ssize_t i, j, found = -1
        cdef const Member **order
        if self.size <= FEW:
            for i in range(1, self.size):
                for j in range(i):
                    if is_same_key(&self.members[i], &self.members[j]):
                        return i
            return -1
        order = <const Member **>PyMem_Malloc(self.size * sizeof(Member *))
        if order is NULL:
            raise MemoryError()
        for i in range(self.size):
            order[i] = &self.members[i]
        qsort(order, self.size, sizeof(Member *), &compare_keys)
        for i in range(1, self.size):
            if is_same_key(order[i - 1], order[i]):
                j = order[i] - self.members
                if found < 0 or j < found:
                    found = j
        PyMem_Free(order)
        return found

    cpdef value(self, str key):
        """The text of the value of `key`, or None."""
        if key is None:
            raise TypeError("key is not None")
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(key, &size)
        cdef Py_ssize_t i = self.find(text, size)
        if i < 0:
            return None
        return PyBytes_FromStringAndSize(
            PyBytes_AS_STRING(self.body) + self.members[i].start, self.members[i].stop - self.members[i].start
        )

    cpdef span(self, str key):
        """Where the value of `key` lies: `body[start:stop]`, or None."""
        if key is None:
            raise TypeError("key is not None")
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(key, &size)
        cdef Py_ssize_t i = self.find(text, size)
        return None if i < 0 else (self.members[i].start, self.members[i].stop)

    def keys(self) -> list[str]:
        """The top-level keys, unescaped, in the order of the text."""
        cdef Py_ssize_t i
        return [(<const char *>self.members[i].key)[: self.members[i].key_size].decode() for i in range(self.size)]

    cpdef only(self, tuple names):
        """An object of the members that are called one of `names` (plain ASCII), in the order of `names`."""
        if names is None:
            raise TypeError("names is not None")
        cdef Py_ssize_t size = 0, room = 2
        cdef const char *text
        cdef char *p
        cdef Py_ssize_t i
        cdef str name
        for name in names:
            text = PyUnicode_AsUTF8AndSize(name, &size)
            i = self.find(text, size)
            if i >= 0:
                room += size + 4 + self.members[i].stop - self.members[i].start
        cdef bytes made = PyBytes_FromStringAndSize(NULL, room - 1 if room > 2 else 2)
        p = PyBytes_AS_STRING(made)
        p[0] = c'{'
        for name in names:
            text = PyUnicode_AsUTF8AndSize(name, &size)
            i = self.find(text, size)
            if i >= 0:
                p = self.write_member(p + 1, text, size, i)
        (p if room > 2 else p + 1)[0] = c'}'
        return made

    cdef char *write_member(self, char *p, const char *name, Py_ssize_t size, Py_ssize_t i) noexcept:  # nothing here raises
        """`"name":value,`; the answer is the place of the comma."""
        cdef Py_ssize_t length = self.members[i].stop - self.members[i].start
        p[0] = c'"'
        memcpy(p + 1, name, size)
        p[size + 1] = c'"'
        p[size + 2] = c':'
        p += size + 3
        memcpy(p, PyBytes_AS_STRING(self.body) + self.members[i].start, length)
        p[length] = c','
        return p + length

    def __len__(self) -> int:
        return self.size

    def __contains__(self, str key not None) -> bool:
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(key, &size)
        return self.find(text, size) >= 0


cdef Place open_body(Place start, Place end, Walk *walk) except NULL:
    """The place of the `{`."""
    cdef Place p = skip_space(start, end)
    if p == end:
        raise SpanError("the body is empty", "empty", p - start)
    if p[0] == c'{':
        return p
    if skip_value(p, end, walk, 0) is NULL:
        if p[0] == 0xEF and end - p >= 3 and p[1] == 0xBB and p[2] == 0xBF:
            raise SpanError(f"byte order mark at byte {p - start}", "syntax", p - start)
        raise refusal(walk, walk.at - start)
    raise SpanError("the body is not an object", "not_object", p - start)


cdef int take_key(Spans spans, Walk *walk, Place stop, Member *member) except -1:
    """Note the key that has just been walked; one with escapes gets a home of its own."""
    cdef bytes home
    cdef Py_ssize_t size
    member.key_at = walk.key_at - <Place>PyBytes_AS_STRING(spans.body)
    member.key = walk.key
    member.key_size = walk.key_size
    if walk.shrink:
        size = stop - walk.key_at
        home = PyBytes_FromStringAndSize(NULL, size)
        member.key = <Place>PyBytes_AS_STRING(home)
        member.key_size = unescape(walk.key_at + 1, key_end(walk.key_at + 1), <unsigned char *>member.key, size)
        if spans.unescaped is None:
            spans.unescaped = []
        spans.unescaped.append(home)
    return 0


cdef inline Place key_end(Place p) noexcept nogil:
    """The closing quote of a key that has been walked."""
    while p[0] != c'"':
        p += 2 if p[0] == c'\\' else 1
    return p


cpdef Spans scan(bytes body):
    """Judge `body` strictly and find its top-level members; SpanError says why not."""
    if body is None:
        raise TypeError("a body is bytes")
    cdef Spans spans = Spans.__new__(Spans)
    cdef Place start = <Place>PyBytes_AS_STRING(body)
    cdef Place end = start + PyBytes_GET_SIZE(body)
    cdef Walk walk
    cdef Member member
    cdef Py_ssize_t again
    memset(&walk, 0, sizeof(Walk))
    spans.body = body
    cdef Place p = open_body(start, end, &walk)
    spans.opened = p + 1 - start
    p = open_object(p, end, &walk)
    while p is not NULL and not walk.is_closed:
        take_key(spans, &walk, p, &member)
        member.start = p - start
        p = skip_value(p, end, &walk, 1)
        if p is not NULL:
            member.stop = p - start
            spans.append(member)
            p = next_member(p, end, &walk)
    if p is NULL:
        raise refusal(&walk, walk.at - start)
    p = skip_space(p, end)
    if p != end:
        raise SpanError(f"text behind the object at byte {p - start}", "syntax", p - start)
    again = spans.repeated()
    if again >= 0:
        raise duplicate(&spans.members[again])
    return spans


cdef object duplicate(const Member *member):
    cdef str key = (<const char *>member.key)[: member.key_size].decode()
    shown = key if len(key) <= KEY_SHOWN else f"{key[:KEY_SHOWN]}…"
    return SpanError(f"duplicate key `{shown}`", "duplicate", member.key_at, key)


cdef struct Edit:
    const char *text   # NULL: the member goes
    Py_ssize_t size    # -1: the member stays as it is

cdef struct Copy:
    char *target       # NULL: only measure
    Py_ssize_t size


cdef inline void put(Copy *copy, const char *text, Py_ssize_t size) noexcept nogil:
    if copy.target is not NULL:
        memcpy(copy.target + copy.size, text, size)
    copy.size += size


cpdef bytes splice(bytes body, Spans spans, dict replace, remove, bytes add):
    """One edited copy of `body`: values replaced, members removed, the members `add` put behind the others.

    Keys that are not there are passed over. `add` is members as text, without a comma around them.
    """
    if body is None or spans is None or replace is None or add is None:
        raise TypeError("a splice needs all of its arguments")
    if body is not spans.body and body != spans.body:
        raise ValueError("these spans belong to another body")
    cdef Edit *edits = <Edit *>PyMem_Malloc((spans.size + 1) * sizeof(Edit))
    if edits is NULL:
        raise MemoryError()
    try:
        note_edits(spans, replace, remove, edits)
        return copy_of(spans, edits, add)
    finally:
        PyMem_Free(edits)


cdef int note_edits(Spans spans, dict replace, object remove, Edit *edits) except -1:
    """Fill `edits` [spans.size]. A member that is both replaced and removed goes."""
    cdef Py_ssize_t i, size = 0
    cdef const char *text
    cdef str key
    cdef bytes value
    for i in range(spans.size):
        edits[i].text = NULL
        edits[i].size = -1
    for key, value in replace.items():
        if value is None:
            raise TypeError(f"no replacement for {key!r}")
        text = PyUnicode_AsUTF8AndSize(key, &size)
        i = spans.find(text, size)
        if i >= 0:
            edits[i].text = PyBytes_AS_STRING(value)
            edits[i].size = PyBytes_GET_SIZE(value)
    for key in remove:
        text = PyUnicode_AsUTF8AndSize(key, &size)
        i = spans.find(text, size)
        if i >= 0:
            edits[i].text = NULL
            edits[i].size = 0
    return 0


cdef bytes copy_of(Spans spans, Edit *edits, bytes add):
    cdef Copy copy
    cdef bytes copied
    copy.target = NULL
    copy.size = 0
    write(&copy, spans, edits, add)
    copied = PyBytes_FromStringAndSize(NULL, copy.size)
    copy.target = PyBytes_AS_STRING(copied)
    copy.size = 0
    write(&copy, spans, edits, add)
    return copied


cdef void write(Copy *copy, Spans spans, Edit *edits, bytes add) noexcept:  # nothing here raises
    """Every member that remains stands behind the text that stood in front of it: so there is one comma between two."""
    cdef const char *body = PyBytes_AS_STRING(spans.body)
    cdef Member *member
    cdef Py_ssize_t i, behind = spans.opened
    cdef bint is_first = True
    put(copy, body, behind)
    for i in range(spans.size):
        member = &spans.members[i]
        if edits[i].text is not NULL or edits[i].size < 0:
            if i == 0 or not is_first:
                put(copy, body + behind, member.key_at - behind)
            is_first = False
            put(copy, body + member.key_at, (member.stop if edits[i].size < 0 else member.start) - member.key_at)
            if edits[i].size >= 0:
                put(copy, edits[i].text, edits[i].size)
        behind = member.stop
    if PyBytes_GET_SIZE(add):
        if not is_first:
            put(copy, b",", 1)
        put(copy, PyBytes_AS_STRING(add), PyBytes_GET_SIZE(add))
    put(copy, body + behind, PyBytes_GET_SIZE(spans.body) - behind)
