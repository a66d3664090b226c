cpdef bytes stream_head(exchange, bytes identity, int attempts, bytes provider)
cpdef bytes answer_head(exchange, bytes identity, Py_ssize_t length, int attempts, bytes provider, charge)
