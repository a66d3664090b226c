from edgeproxy._core.asked cimport Asked, plain
from edgeproxy._core.spans cimport Spans, scan, splice
from edgeproxy.proxy.routes cimport Route

cpdef Asked decode(bytes body)
cpdef Asked read_all(Spans spans)
cpdef bytes upstream_body(Asked asked, Route route)
