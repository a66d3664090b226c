"""One machine's edgeproxy: supervisor, worker, shared memory, ops listener."""
