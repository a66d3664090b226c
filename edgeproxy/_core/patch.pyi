from typing import Self, final

@final
class ChatPatch:
    def __new__(
        cls, generation: bytes, model: bytes, provider: bytes, created: int, *, native_finish: bool
    ) -> Self: ...
