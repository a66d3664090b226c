# cython: boundscheck=True
"""What all connections of a worker's express door share: where calls come in, and the limits."""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memcmp

from edgeproxy._core.wheel cimport Wheel

cdef int MAX_HOSTS = 1024


@cython.final
cdef class DoorRules:
    """What all connections of a worker share. `paths`: where calls come in, and the surface of each."""

    def __cinit__(self, dict paths, is_host, Wheel wheel, *, Py_ssize_t body_limit, double header_s, double body_s,
                  double keepalive_s, double deliver_s):
        self.lines = tuple([b"POST %b HTTP/1.1\r\n" % path.encode() for path in paths])
        self.surfaces = tuple(paths.values())
        self.is_host = is_host
        self.hosts = set()
        self.wheel = wheel
        self.body_limit = body_limit
        self.header_s = header_s
        self.body_s = body_s
        self.keepalive_s = keepalive_s
        self.deliver_s = deliver_s

    cdef int find(self, const unsigned char *data, Py_ssize_t size) except -3:
        """The line that `data` begins with; UNDECIDED while it may become one."""
        cdef Py_ssize_t number, length
        cdef const unsigned char *line
        cdef bint is_open = False
        for number in range(len(self.lines)):
            line = <bytes>self.lines[number]
            length = len(<bytes>self.lines[number])
            if size >= length:
                if memcmp(data, line, length) == 0:
                    return <int>number
            elif memcmp(data, line, size) == 0:
                is_open = True
        return UNDECIDED if is_open else NONE

    cdef bint accepts(self, const unsigned char *text, Py_ssize_t size) except -1:
        cdef bytes host = self.last
        if host is not None and size == len(host) and memcmp(text, PyBytes_AS_STRING(host), size) == 0:
            return True
        host = text[:size]
        if host in self.hosts:
            self.last = host
            return True
        if not self.is_host(host.decode("latin-1")):
            return False
        if len(self.hosts) < MAX_HOSTS:
            self.hosts.add(host)
        return True
