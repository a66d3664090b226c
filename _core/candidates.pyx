"""The routes of one model with what they cost: made when a snapshot is loaded, never changed."""
cimport cython


@cython.final
cdef class Candidates:
    def __cinit__(self, routes, prompt_pico, completion_pico, request_pico, weights, int pool, limited=0):
        cdef int position
        self.count = len(routes)
        if not 1 <= self.count <= MOST:
            raise ValueError(f"{self.count} routes, allowed are 1 to {MOST}")
        if not len(prompt_pico) == len(completion_pico) == len(request_pico) == len(weights) == self.count:
            raise ValueError("routes, prices and weights must have the same length")
        self.pool = pool
        self.limited = limited
        self.all_positions = 0xFFFFFFFFFFFFFFFFULL >> (MOST - self.count)
        for position in range(self.count):
            self.route[position] = routes[position]
            self.weight[position] = weights[position]
            self.prompt_pico[position] = prompt_pico[position]
            self.completion_pico[position] = completion_pico[position]
            self.request_pico[position] = request_pico[position]
            if min(prompt_pico[position], completion_pico[position], request_pico[position]) >= 0:
                self.is_priced |= 1ULL << position
            self.highest_route = max(self.highest_route, self.route[position])
            if self.route[position] < 0 or not 0.0 <= self.weight[position] < 1e30:
                raise ValueError(f"route {routes[position]}, weight {weights[position]}: neither may be negative")

    def __len__(self):
        return self.count
