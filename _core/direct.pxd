"""Send on a socket at once, past the event loop's transport, when nothing waits there.

uvloop puts every write off to the end of the turn, at the price of a queue, an idle handle and one more poll. A token
stream is one small write a turn, so there is nothing to gather.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, errno

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int fd, const void *data, size_t size, int flags)
    ssize_t recv(int fd, void *data, size_t size, int flags)
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
        MSG_PEEK


cdef inline int socket_fd(object transport) except -2:
    """The descriptor below the transport, whatever lies between; -1 where there is none (a fake)."""
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else sock.fileno()


cdef inline int direct_fd(object transport) except -2:
    """The descriptor of a plain transport; -1 where bytes must pass through it (TLS, a fake)."""
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    return socket_fd(transport)


cdef inline bint is_quiet(int fd) noexcept:  # nothing here raises
    """Nothing waits on the socket to be read: no byte, no end, no error. Without a descriptor nobody can tell."""
    cdef char byte
    if fd < 0:
        return True
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 and errno == EAGAIN


cdef inline int put(object transport, int fd, const char *data, Py_ssize_t size) except -1:
    """Write to the socket now if nothing waits in the transport; the transport gets the rest, and every error."""
    cdef ssize_t sent = 0
    if fd >= 0 and transport.get_write_buffer_size() == 0 and not transport.is_closing():
        sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent == size:
            return 0
        if sent < 0:
            sent = 0
    transport.write(PyBytes_FromStringAndSize(data + sent, size - sent))
    return 0


cdef inline int put_bytes(object transport, int fd, bytes data) except -1:
    if fd < 0:
        transport.write(data)
        return 0
    return put(transport, fd, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
