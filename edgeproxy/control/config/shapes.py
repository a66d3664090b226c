"""What holds values: lists, maps and declared objects."""

from dataclasses import dataclass
from typing import Any

from edgeproxy.control.config.kinds import (
    Kind,
)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    of: "AnyKind"
    most: int

    @property
    def name(self) -> str:
        return f"list of {self.of.name}"


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are free."""

    key: Kind
    of: Kind
    most: int

    @property
    def name(self) -> str:
        return f"map of {self.key.name} to {self.of.name}"


@dataclass(frozen=True, slots=True)
class Object:
    """A mapping with the keys that `cls` declares."""

    cls: type[Any]
    name: str = "object"


@dataclass(frozen=True, slots=True)
class Either:
    """A single value or something larger; which one, the node's shape tells."""

    scalar: Kind
    other: Object

    @property
    def name(self) -> str:
        return f"{self.scalar.name} or {self.other.name}"


AnyKind = Kind | Items | Table | Object | Either


def holds_secret(kind: AnyKind) -> bool:
    """Whether a value of this kind, or a part of it, must never be shown."""
    match kind:
        case Items(of=inner) | Table(of=inner):
            return holds_secret(inner)
        case Kind():
            return kind.is_secret
    return False
