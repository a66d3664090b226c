"""Names of calls: random, and made without asking the system each time."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from edgeproxy._core.decimal cimport digits_up_to

import os

cdef enum:
    RANDOM_BYTES = 10        # in a generation's id
    RANDOM_STOCK = 2000      # fetched from the system at once

cdef bytes stock = b""
cdef Py_ssize_t stock_at = 0


cpdef bytes new_identity(double now):
    """`gen-<unix seconds>-<20 characters>`: 80 random bits. Written from its end."""
    global stock, stock_at
    cdef char text[64]
    cdef char *p = text + 64
    cdef const unsigned char *random
    cdef int i
    if stock_at + RANDOM_BYTES > len(stock):
        stock = os.urandom(RANDOM_STOCK)
        stock_at = 0
    random = <const unsigned char *>PyBytes_AS_STRING(stock) + stock_at
    stock_at += RANDOM_BYTES
    for i in range(RANDOM_BYTES):
        p -= 2
        p[0] = b"0123456789abcdef"[random[i] >> 4]
        p[1] = b"0123456789abcdef"[random[i] & 15]
    p -= 1
    p[0] = c'-'
    p = digits_up_to(p, <uint64_t>now) - 4
    memcpy(p, b"gen-", 4)
    return PyBytes_FromStringAndSize(p, text + 64 - p)
