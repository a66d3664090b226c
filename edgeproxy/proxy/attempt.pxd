from edgeproxy._core.drive cimport Signal
from edgeproxy._core.relay cimport Relay
from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.upstream cimport UpstreamConnection
from edgeproxy.proxy.call cimport Call
from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.decode cimport upstream_body
from edgeproxy.proxy.heads cimport stream_head
from edgeproxy.proxy.pool cimport Pool
from edgeproxy.proxy.routes cimport Route

cpdef Signal _send(Call call, Route route, UpstreamConnection connection)
cpdef Signal send_at_once(Call call, Route route)
cpdef bint is_stale(Call call) except -1
cpdef judge(Call call, Route route)
cpdef _judge_body(Call call, Route route, Relay relay)
