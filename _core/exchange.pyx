"""What a door hands to the pipeline: one request, and the connection that its answer goes out on.

Each door has its subclass. All but the body is here when a call begins.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize


cdef class Exchange:
    """Abstract: each door overrides all of it. `surface`: whose habits the answer follows, "/v1" or "/api/v1"."""

    @property
    def length(self):
        """Bytes of the body by its head; -1: it does not say."""
        raise NotImplementedError

    @property
    def arrived(self):
        """Bytes of the body that have come."""
        raise NotImplementedError

    cpdef bytes header(self, str name):
        """The value of one of the headers that calls ask for."""
        raise NotImplementedError

    cpdef bytes take_body(self):
        """The body, when all of it has arrived already."""
        raise NotImplementedError

    def read_body(self):
        """The body, within its limits of size and time. To be awaited at once, in the call's own coroutine."""
        raise NotImplementedError

    cpdef write(self, bytes data):
        """A whole answer, head and body."""
        raise NotImplementedError

    def probe(self):
        """Put a harmless byte on the wire, so that a client that is gone says so."""
        raise NotImplementedError

    cpdef listen(self, client):
        """Tell `client` about the connection from now on; None: nobody."""
        raise NotImplementedError

    cpdef bint stays_open(self) except? -1:
        """Whether the connection may carry another request after this one."""
        raise NotImplementedError

    cpdef ended(self):
        """The call is over, its last byte is written."""
        raise NotImplementedError

    @property
    def keeps_alive(self):
        return self.stays_open()

    @keeps_alive.setter
    def keeps_alive(self, bint value):
        self.wants_alive = value


cpdef bytes bearer_token(bytes value):
    """What an Authorization header of the scheme `Bearer`, in any case, carries; None: another scheme, or nothing."""
    if value is None:
        return None
    cdef const unsigned char *text = value
    cdef Py_ssize_t at = 7, end = len(value)
    if end <= at or text[6] != 32:
        return None
    for number in range(6):
        if text[number] | 32 != b"bearer"[number]:
            return None
    while at < end and is_space(text[at]):
        at += 1
    while at < end and is_space(text[end - 1]):
        end -= 1
    return PyBytes_FromStringAndSize(<const char *>text + at, end - at) if at < end else None


cdef inline bint is_space(unsigned char byte) noexcept nogil:
    return byte == 32 or 9 <= byte <= 13
