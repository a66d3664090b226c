cpdef double monotonic() noexcept
cpdef double wall() noexcept
