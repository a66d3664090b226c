from typing import final

@final
class ChatPatch:
    def __init__(
        self, generation: bytes, model: bytes, provider: bytes, created: int, *, native_finish: bool
    ) -> None: ...
