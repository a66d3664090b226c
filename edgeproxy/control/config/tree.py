"""YAML text → a tree in which every node knows its line and column.

Built from libyaml's events and not from its composer: depth, node count and alias expansion are bounded here, so a
bomb costs what it weighs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from edgeproxy.control.config.problems import Span

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 24
MAX_NODES = 1_000_000  # after aliases are expanded

# `${…}` may stand unquoted inside `{ }` and `[ ]`, where YAML would read its braces. So, before YAML sees the text,
# each character of a reference moves to the private use area, one for one (columns stay), and moves back in scalars.
_REFERENCE = re.compile(r"\$\$?\{[\x20-\x7e]*?\}")
_HIDE = {code: 0xE000 + code for code in range(0x80)}
_SHOW = {hidden: code for code, hidden in _HIDE.items()}


@dataclass(slots=True)
class Scalar:
    text: str
    is_plain: bool
    span: Span
    weight: int = 1


@dataclass(slots=True)
class Sequence:
    span: Span
    items: "list[Node]" = field(default_factory=list)
    weight: int = 1


@dataclass(slots=True)
class Mapping:
    span: Span
    pairs: "list[tuple[Scalar, Node]]" = field(default_factory=list)
    weight: int = 1
    keys: dict[str, Span] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


class TreeError(ValueError):
    """Text that is no tree. `span` says where; the message never has text of the file."""

    def __init__(self, message: str, span: Span, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint


def decode_text(data: bytes) -> str:
    """The file's bytes as text: UTF-8, no control characters."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        span = Span(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise TreeError("the file is not UTF-8", span, "save it as UTF-8") from None
    odd = re.search("[\ue000-\ue07f\x00]", text)
    if odd:
        before_text = text[: odd.start()]
        span = Span(before_text.count("\n") + 1, odd.start() - (before_text.rfind("\n") + 1) + 1)
        raise TreeError("a control or private-use character", span, "remove it")
    return text


def parse(text: str) -> Node | None:
    """The one document in `text`, or None when there is none. TreeError for anything else."""
    hidden = _REFERENCE.sub(lambda match: match.group().translate(_HIDE), text)
    try:
        return _Builder(yaml.parse(hidden, Loader=yaml.CSafeLoader)).document()
    except yaml.YAMLError as error:
        raise _syntax_error(error) from None


def _syntax_error(error: yaml.YAMLError) -> TreeError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    span = Span(mark.line + 1, mark.column + 1) if mark is not None else Span(1, 1)
    reason = getattr(error, "problem", None) or "unreadable text"
    return TreeError(
        f"not YAML: {reason.translate(_SHOW)}", span, "check indentation, quotes, commas and brackets here"
    )


class _Builder:
    """One pass over the events with a stack of its own: no recursion for the input to exhaust."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, Node] = {}
        self.stack: list[tuple[Sequence | Mapping, str | None]] = []
        self.keys: list[Scalar | None] = []
        self.root: Node | None = None
        self.weight = 0

    def document(self) -> Node | None:
        for event in self.events:
            self._take(event)
        return self.root

    def _take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._refuse_tag(event)
                text = event.value.translate(_SHOW) if not event.value.isascii() else event.value
                self._add(Scalar(text, not event.style, _span(event)), event.anchor)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.SequenceStartEvent():
                self._open(Sequence(_span(event)), event)
            case yaml.MappingStartEvent():
                self._open(Mapping(_span(event)), event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self.keys.pop()
                node, anchor = self.stack.pop()
                self._add(node, anchor)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise TreeError("a second document in the file", _span(event), "one file, one document")

    def _open(self, node: Sequence | Mapping, event: Any) -> None:
        self._refuse_tag(event)
        if len(self.stack) >= MAX_DEPTH:
            raise TreeError(f"nested deeper than {MAX_DEPTH} levels", node.span)
        self.stack.append((node, event.anchor))
        self.keys.append(None)

    def _alias(self, event: Any) -> None:
        node = self.anchors.get(event.anchor)
        if node is None:
            raise TreeError("an alias of something that is not complete here", _span(event), "define the anchor first")
        self._add(node, None)

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            raise TreeError("YAML tags are not accepted", _span(event), "remove the `!…`")

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1][0]
        parent.weight += node.weight
        if parent.weight > MAX_NODES:
            raise TreeError(f"more than {MAX_NODES} values (aliases count expanded)", node.span)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        else:
            self._add_to_mapping(parent, node)

    def _add_to_mapping(self, parent: Mapping, node: Node) -> None:
        key = self.keys[-1]
        if key is None:
            if not isinstance(node, Scalar):
                raise TreeError("a key must be text", node.span)
            self.keys[-1] = node
            return
        first = parent.keys.setdefault(key.text, key.span)
        if first is not key.span:
            raise TreeError("duplicate key", key.span, f"it stands in line {first.line} already: keep one")
        parent.pairs.append((key, node))
        self.keys[-1] = None


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, max(1, length))
