from edgeproxy.domain.record cimport CallRecord

cpdef bytes json_line(CallRecord record, quoted)
