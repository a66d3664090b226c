from edgeproxy._core.relay cimport Relay
from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.usage cimport write_usage
from edgeproxy.proxy.call cimport Call
from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.heads cimport answer
from edgeproxy.proxy.routes cimport Route

cpdef settle_stream(Call call)
cpdef settle_answer(Call call)
cpdef bytes _usage_bytes(Call call, bytes raw)
cpdef _count_empty(Call call)
