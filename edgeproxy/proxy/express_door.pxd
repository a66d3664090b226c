from edgeproxy._core.door cimport Door
from edgeproxy.proxy.pipeline cimport start
from edgeproxy.proxy.plane cimport DataPlane


cdef class ExpressDoor(Door):
    cdef DataPlane _plane
    cdef str _address
    cdef object _guest

    cpdef begin(self)
    cpdef body_changed(self)
