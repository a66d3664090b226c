from typing import Self, final

from edgeproxy.domain.charge import Charge
from edgeproxy.domain.usage import Usage

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
    def charge(self, usage: Usage) -> Charge: ...

def ceiling(tariffs: tuple[Tariff, ...], prompt: int, completion: int) -> int: ...
