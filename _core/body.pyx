# cython: boundscheck=True
"""The body of a request that comes in at the express door, within its limit.

One of a known length is counted, one in chunks is framed by llhttp.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

cdef Py_ssize_t MAX_ROOM = 1 << 20     # bytes of memory that a head alone may ask for
cdef Py_ssize_t MAX_FRAMING = 65536  # bytes of chunk lines and trailers, besides 8 for each byte of the body


@cython.final
cdef class RequestBody:
    """One at a time: a connection has one for all its requests."""

    def __cinit__(self, Py_ssize_t limit):
        self.limit = limit

    cdef bint begin(self, bytes data, Py_ssize_t head) except -1:
        """The request so far; the first `head` bytes are its head. False: llhttp finds in it what the door did not."""
        if self.length > self.limit:
            self.fault = "too_large"
            self.wire = len(data) - head
            return True
        if self.length >= 0:
            self.count(data, head)
            return True
        if self.parser is None:
            self.parser = HttpRequestParser(self)
        self.wire = -head
        self.parse(data)
        if self.fault == "broken":
            self.parser = None
            return False
        return True

    cdef int feed(self, bytes data) except -1:
        """More bytes from the wire."""
        return self.count(data, 0) if self.length >= 0 else self.parse(data)

    cdef int count(self, bytes data, Py_ssize_t start) except -1:
        """Those of `data` from `start` on, but none of the next request."""
        cdef Py_ssize_t size = len(data) - start
        cdef Py_ssize_t at = self.size
        if size > self.length - at:
            self.is_overrun = True
            size = self.length - at
        self.wire += size
        self.size += size
        self.is_whole = self.size == self.length
        if self.is_unwanted:
            return 0
        if self.length > MAX_ROOM:
            self.pieces = self.pieces or []
            self.pieces.append(data[start:start + size])
        elif self.is_whole and at == 0:
            self.first = PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, size)
        else:
            if self.first is None:
                self.first = PyBytes_FromStringAndSize(NULL, self.length)
            memcpy(PyBytes_AS_STRING(self.first) + at, PyBytes_AS_STRING(data) + start, size)
        return 0

    cdef int parse(self, bytes data) except -1:
        """All of it goes to llhttp."""
        self.wire += len(data)
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if self.is_whole:
                self.is_overrun = True
            else:
                self.fault = self.fault or "broken"
        if self.wire - self.size > MAX_FRAMING + 8 * self.size and not self.is_whole:
            self.fault = self.fault or "broken"
        return 0

    cdef bytes take(self):
        """All of it, once it is whole; nothing is kept."""
        first, pieces = self.first, self.pieces
        self.first = self.pieces = None
        if pieces is not None:
            return b"".join(pieces)
        return first if first is not None else b""

    cdef int skip(self) except -1:
        """What still comes is read only for the connection's sake."""
        self.is_unwanted = True
        self.first = self.pieces = None
        return 0

    cdef int reset(self) except -1:
        """Make ready for the next request."""
        self.first = self.pieces = self.fault = None
        self.is_unwanted = self.is_whole = self.is_overrun = False
        self.length = self.wire = self.size = 0
        return 0

    # llhttp's callbacks

    def on_message_begin(self):
        if self.is_whole:
            self.is_overrun = True

    def on_body(self, bytes chunk):
        if self.is_whole or self.fault is not None:
            return
        self.size += len(chunk)
        if self.is_unwanted:
            return
        if self.size > self.limit:
            self.fault = "too_large"
            self.first = self.pieces = None
        elif self.first is None:
            self.first = chunk
        elif self.pieces is None:
            self.pieces = [self.first, chunk]
        else:
            self.pieces.append(chunk)

    def on_message_complete(self):
        if self.fault is None:
            self.is_whole = True
