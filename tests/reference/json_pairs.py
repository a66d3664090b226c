"""JSON as lists of pairs, so that order and repeated keys survive; numbers stay the text they were."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Object:
    members: list[tuple[str, Any]] = field(default_factory=list)

    def last(self, key: str) -> Any:
        """The value of the last member of that name, or None."""
        return next((value for name, value in reversed(self.members) if name == key), None)

    def has(self, key: str) -> bool:
        return any(name == key for name, _ in self.members)


@dataclass(frozen=True)
class Number:
    text: str


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def parse(text: bytes) -> Any:
    """Strict but for lone surrogates, which Python keeps."""
    return json.loads(
        text.decode(), object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=refuse
    )
