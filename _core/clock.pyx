"""The clocks of what runs per call: seconds, without a lookup by name."""
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec


cdef inline double read(int clock) noexcept nogil:
    cdef timespec ts
    clock_gettime(clock, &ts)
    return <double>ts.tv_sec + <double>ts.tv_nsec * 1e-9


cpdef double monotonic() noexcept:  # nothing here raises
    """The same as `time.monotonic()`."""
    return read(CLOCK_MONOTONIC)


cpdef double wall() noexcept:  # nothing here raises
    """The same as `time.time()`."""
    return read(CLOCK_REALTIME)
