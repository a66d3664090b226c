cpdef authenticate(exchange, accounts)
cpdef str bearer(exchange)
