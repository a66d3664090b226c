"""The one driver: runs a call's coroutine with `send` and `throw`, without a task.

A coroutine waits for a `Signal` and for nothing else. Whoever sets it resumes the coroutine in the same stack, in the
same turn of the loop.
"""
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

cdef extern from "Python.h":
    enum:
        PYGEN_NEXT
    # Like `.send(None)`, but a coroutine that returns costs no StopIteration.
    int PyIter_Send(object iterator, object value, PyObject **result) except? -1


@cython.final
@cython.freelist(64)
cdef class Signal:
    """Set once, awaited once. Setting it before the wait is fine; setting it again changes nothing."""

    def __class_getitem__(cls, item):
        return cls

    cpdef set(self, value):
        if not self.is_set:
            self.is_set = True
            self.value = value
            self.wake()

    cpdef fail(self, error):
        if not self.is_set:
            self.is_set = True
            self.error = error
            self.wake()

    cdef int wake(self) except -1:
        cdef Drive drive = self.drive
        self.drive = None
        if drive is not None:
            drive.resume(self)
        return 0

    # As an awaitable it is its own iterator: it yields itself until it is set.

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if not self.is_set:
            return self
        error = self.error
        if error is not None:
            self.error = None  # it holds the frames that it passes, and they hold the signal
            raise error
        if self.value is not None:
            raise StopIteration(self.value)
        raise StopIteration  # without a value it costs no exception


@cython.final
@cython.freelist(64)
cdef class Drive:
    """Runs one coroutine to its end; `ended(owner, error)` is called once, with what it raised or None."""

    def __cinit__(self, coroutine, ended, owner):
        self.coroutine = coroutine
        self.ended = ended
        self.owner = owner

    @property
    def is_waiting(self):
        return self.waits_for is not None

    cpdef start(self):
        self.step(None)

    cdef int resume(self, Signal signal) except -1:
        if self.waits_for is signal:
            self.step(None)
        return 0

    cpdef throw(self, error):
        """Raise `error` where the coroutine waits. One that is running or over is left alone."""
        if self.waits_for is not None:
            self.waits_for.drive = None
            self.step(error)

    cdef int step(self, error) except -1:
        cdef Signal signal
        self.waits_for = None
        try:
            signal = self.sent() if error is None else self.coroutine.throw(error)
        except StopIteration:
            signal = None
        except Exception as raised:  # the door renders it: nothing may escape into a protocol callback
            self.ended(self.owner, raised)
            return 0
        if signal is None:
            self.ended(self.owner, None)
            return 0
        self.waits_for = signal
        signal.drive = self
        if signal.is_set:  # set between the yield and here
            self.resume(signal)
        return 0

    cdef object sent(self):
        """The signal that the coroutine waits for now; None: it has returned."""
        cdef PyObject *result = NULL
        cdef int kind = PyIter_Send(self.coroutine, None, &result)
        if result is NULL:
            return None
        value = <object>result
        Py_DECREF(value)  # `value` holds one of its own
        return value if kind == PYGEN_NEXT else None
