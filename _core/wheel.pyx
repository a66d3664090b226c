"""One timer wheel for all deadlines of a worker, swept a few times a second.

Arming costs an append, re-arming nothing: an owner moves its own deadline and answers `due(now)` with it when the
wheel comes by. A cancelled timer lets go of its owner at once and is dropped at the next sweep of its slot.
"""
cimport cython

from edgeproxy._core.clock cimport monotonic


@cython.final
@cython.no_gc  # its owner cancels it, or the wheel lets go of it: no cycle lasts
@cython.freelist(256)
cdef class Timer:
    """One deadline. Made and armed by `Wheel.arm`."""

    cpdef cancel(self):
        self.is_armed = False
        self.due = None


@cython.final
cdef class Wheel:
    """`size` slots of `tick_s` seconds; a deadline beyond the horizon waits in the farthest slot and is placed again."""

    def __cinit__(self, double tick_s=0.05, Py_ssize_t size=512):
        if size < 2 or not tick_s > 0.0:
            raise ValueError("size must be 2 or more and tick_s positive")
        self.tick_s = tick_s
        self.size = size
        self.slots = [[] for _ in range(size)]
        self.turned = <Py_ssize_t>(monotonic() / tick_s)

    cdef int place(self, Timer timer) except -1:
        cdef Py_ssize_t tick = <Py_ssize_t>(timer.deadline / self.tick_s) + 1
        if tick <= self.turned:
            tick = self.turned + 1
        elif tick >= self.turned + self.size:
            tick = self.turned + self.size - 1
        (<list>self.slots[tick % self.size]).append(timer)
        return 0

    cpdef Timer arm(self, due, double deadline):
        """Call `due(now)` when `deadline` (monotonic seconds) has passed."""
        cdef Timer timer = Timer.__new__(Timer)
        timer.due = due
        timer.deadline = deadline
        timer.is_armed = True
        self.place(timer)
        self.armed += 1
        return timer

    def advance(self, double now):
        """Sweep every slot up to `now`; call what is due, place again what asks for a later deadline.

        An owner that fails loses its timer and nobody else's; the first error is raised when all have been served.
        """
        cdef Py_ssize_t last = <Py_ssize_t>(now / self.tick_s)
        cdef list slot
        cdef Timer timer
        first = None
        if last - self.turned > self.size:  # a pause longer than the wheel: every slot once is enough
            self.turned = last - self.size
        while self.turned < last:
            self.turned += 1
            slot = <list>self.slots[self.turned % self.size]
            if not slot:
                continue
            self.slots[self.turned % self.size] = []
            for timer in slot:
                try:
                    self.visit(timer, now)
                except Exception as error:
                    timer.cancel()
                    self.armed -= 1
                    first = first or error
        if first is not None:
            raise first

    def visit(self, Timer timer, double now):
        """One timer of a swept slot: drop it, call its owner, or place it again."""
        if timer.is_armed and timer.deadline <= now:
            later = timer.due(now)
            if later is None:
                timer.cancel()
            else:
                timer.deadline = later
        if timer.is_armed:
            self.place(timer)
        else:
            self.armed -= 1
