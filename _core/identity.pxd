cpdef bytes new_identity(double now)
