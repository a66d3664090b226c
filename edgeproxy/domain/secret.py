"""A secret that cannot be printed, pickled or compared by accident."""

from typing import NoReturn, final


@final
class Secret:
    """Text that only `reveal()` gives out. Whoever calls it answers for where the text goes."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
