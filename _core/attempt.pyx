"""One try of a call at a route: what it was let in with, and what became of it. Made by `RouteTable.pick` only."""
cimport cython


@cython.final
@cython.freelist(256)
@cython.no_gc
cdef class Attempt:
    def __init__(self):
        raise TypeError("an attempt is made by RouteTable.pick")

    def __repr__(self):
        kind = "probe" if self.is_probe else "trickle" if self.is_trickle else "call"
        return f"<Attempt {kind} at route {self.route}, position {self.position}>"
