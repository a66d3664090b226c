from collections.abc import Sequence
from typing import Self, final

@final
class Candidates:
    def __new__(
        cls,
        routes: Sequence[int],
        prompt_pico: Sequence[int],
        completion_pico: Sequence[int],
        request_pico: Sequence[int],
        weights: Sequence[float],
        pool: int,
        limited: int = 0,
    ) -> Self: ...
    @property
    def count(self) -> int: ...
    @property
    def pool(self) -> int: ...
    def __len__(self) -> int: ...
