from typing import final

@final
class ChatPatch:
    def __init__(self, /, *args: object, **kwargs: object) -> None: ...
