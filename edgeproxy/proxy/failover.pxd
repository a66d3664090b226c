from libc.stdint cimport uint64_t

from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.clock cimport monotonic
from edgeproxy.proxy.attempt cimport is_stale, judge, send_at_once
from edgeproxy.domain.caller cimport Caller
from edgeproxy.proxy.call cimport Call
from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.plan cimport Plan
from edgeproxy.proxy.plane cimport DataPlane
from edgeproxy.proxy.routes cimport ModelRoutes, Route

cpdef Attempt _admitted(Call call, Plan plan)
cpdef Route _begin(Call call, Plan plan, Attempt attempt, failed)
cpdef _succeed(Call call, Attempt attempt)
cpdef Attempt _choose(Call call, Plan plan, uint64_t eligible)
