"""Whole chunks of a chunked body (RFC 9112 section 7.1), found without a parser's callbacks.

Only the plain form is known here: hexadecimal digits, CRLF, that many bytes, CRLF. Extensions, the last chunk, trailers,
chunks in pieces and everything malformed are left to llhttp, which has not seen the bytes yet.
"""

cdef enum:
    MAX_DIGITS = 7  # 256 MiB


cdef inline Py_ssize_t chunk_size(const unsigned char *data, Py_ssize_t left, Py_ssize_t *payload) noexcept nogil:
    """Length of the whole chunk at `data`, and in `payload` where its bytes begin; 0 if no whole plain one is there."""
    cdef Py_ssize_t size = 0, at = 0
    cdef unsigned char byte
    while at < left and at <= MAX_DIGITS:
        byte = data[at]
        if 48 <= byte <= 57:
            size = (size << 4) | (byte - 48)
        elif 97 <= (byte | 32) <= 102:
            size = (size << 4) | ((byte | 32) - 87)
        else:
            break
        at += 1
    if at == 0 or at > MAX_DIGITS or size == 0 or left < at + size + 4:
        return 0
    if data[at] != 13 or data[at + 1] != 10 or data[at + 2 + size] != 13 or data[at + 3 + size] != 10:
        return 0
    payload[0] = at + 2
    return at + size + 4


cdef inline bint are_whole_chunks(const unsigned char *data, Py_ssize_t size) noexcept nogil:
    """Whether `data` is nothing but whole plain chunks."""
    cdef Py_ssize_t at = 0, length, payload = 0
    while at < size:
        length = chunk_size(data + at, size - at, &payload)
        if length == 0:
            return False
        at += length
    return size > 0
