"""The effective configuration as YAML, with secrets masked and, if asked for, where each value came from."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from edgeproxy.control.config.kinds import Kind
from edgeproxy.control.config.options import Config, options_of
from edgeproxy.control.config.reader import Path
from edgeproxy.control.config.shapes import AnyKind, Either, Items, Object, Table

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9 ._/%+@-]*(:[A-Za-z0-9/._%+@-]+)*")
_TYPED = re.compile(r"(?i:true|false|null|yes|no|on|off|[-+.0-9eE_]+)")


def show(config: Config, origins: Mapping[Path, str], *, with_origin: bool = False) -> str:
    """YAML that reads back as the same configuration, secrets excepted."""
    lines = _Lines(origins, with_origin)
    return "\n".join(lines.object(Config, config, (), 0)) + "\n"


class _Lines:
    def __init__(self, origins: Mapping[Path, str], with_origin: bool) -> None:
        self.origins = origins
        self.with_origin = with_origin

    def object(self, cls: type[Any], value: Any, path: Path, depth: int) -> Iterator[str]:
        for option in options_of(cls).values():
            inner = getattr(value, option.name)
            if inner is None:
                continue
            yield from self._entry(option.name, option.kind, inner, (*path, option.name), depth)

    def _entry(self, name: str, kind: AnyKind, value: Any, path: Path, depth: int) -> Iterator[str]:
        indent = "  " * depth
        if isinstance(kind, Either):
            kind = kind.scalar if isinstance(value, str) else kind.other
        match kind:
            case Kind():
                yield self._noted(f"{indent}{name}: {_scalar(kind, value)}", path)
            case Object(cls=cls):
                lines = list(self.object(cls, value, path, depth + 1))
                if lines:
                    yield f"{indent}{name}:"
                    yield from lines
            case Items(of=inner):
                if value:
                    yield f"{indent}{name}:"
                    yield from self._items(inner, value, path, depth + 1)
            case Table(of=inner):
                if value:
                    yield f"{indent}{name}:"
                    for key, item in value.items():
                        yield self._noted(f"{indent}  {key}: {_scalar(inner, item)}", (*path, key))

    def _items(self, kind: AnyKind, values: Any, path: Path, depth: int) -> Iterator[str]:
        indent = "  " * depth
        for index, value in enumerate(values):
            if isinstance(kind, Kind):
                yield self._noted(f"{indent}- {_scalar(kind, value)}", (*path, index))
            elif isinstance(kind, Object):
                lines = list(self.object(kind.cls, value, (*path, index), depth + 1))
                yield f"{indent}- {lines[0].lstrip()}"
                yield from lines[1:]

    def _noted(self, line: str, path: Path) -> str:
        return f"{line}  # {self.origins.get(path, 'default')}" if self.with_origin else line


def _scalar(kind: Kind, value: Any) -> str:
    text = kind.show(value)
    if not kind.is_text:
        return text
    return text if _PLAIN.fullmatch(text) and not _TYPED.fullmatch(text) else json.dumps(text, ensure_ascii=False)
