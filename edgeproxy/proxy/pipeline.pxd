from edgeproxy._core.drive cimport Drive
from edgeproxy._core.exchange cimport Exchange
from edgeproxy._core.relay cimport relay_for
from edgeproxy._core.tariff cimport ceiling
from edgeproxy.domain.caller cimport Caller
from edgeproxy.proxy.authenticate cimport authenticate
from edgeproxy.proxy.call cimport Call
from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.decode cimport decode
from edgeproxy.proxy.plan cimport Plan, find_model, make_plan
from edgeproxy.proxy.plane cimport DataPlane
from edgeproxy.proxy.routes cimport ModelRoutes
from edgeproxy.proxy.settle cimport settle_answer, settle_stream

cpdef double deadline(Exchange exchange, double most_s) except -1.0
cpdef hold(Call call, Plan plan)
cpdef open_relay(Call call)
cpdef Call start(Exchange exchange, DataPlane plane)
cpdef end(Call call, BaseException error)
cpdef conclude(Call call, BaseException error)
