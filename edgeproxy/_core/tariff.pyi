from typing import Self, final

@final
class Tariff:
    @property
    def is_known(self) -> bool: ...
    def __new__(
        cls,
        prompt: int | None,
        completion: int | None,
        request: int,
        cache_read: int | None,
        cache_write: int | None,
        reasoning: int | None,
        fee_ppm: int,
    ) -> Self: ...
    def charge(
        self, prompt: int, completion: int, cached: int, cache_written: int, reasoning: int
    ) -> tuple[int, int, int, int]: ...

def ceiling(tariffs: tuple[Tariff, ...], prompt: int, completion: int) -> int: ...
