from collections.abc import Callable
from typing import Self, final

from edgeproxy._core.wheel import Wheel

@final
class DoorRules:
    def __new__(
        cls,
        paths: dict[str, str],
        is_host: Callable[[str], bool],
        wheel: Wheel,
        *,
        body_limit: int,
        header_s: float,
        body_s: float,
        keepalive_s: float,
        deliver_s: float,
    ) -> Self: ...
