"""A node tree → the declared dataclasses, with every problem collected and every value's place remembered."""

import re
from collections.abc import Mapping as MappingType
from collections.abc import Sequence as SequenceType
from dataclasses import dataclass, field
from typing import Any, Final

from edgeproxy.control.config.kinds import (
    LOOKS_TYPED,
    Kind,
)
from edgeproxy.control.config.options import Option, all_names, options_of
from edgeproxy.control.config.problems import Problem, Span, did_you_mean
from edgeproxy.control.config.shapes import AnyKind, Either, Items, Object, Table, holds_secret
from edgeproxy.control.config.tree import Mapping, Node, Scalar, Sequence
from edgeproxy.control.config.variables import Expander, VariableError

Path = tuple[str | int, ...]
MAX_PROBLEMS: Final = 100
FAILED: Final = object()
_NODE_OF: Final[dict[type[Any], type[Node]]] = {Items: Sequence, Table: Mapping, Object: Mapping}
_BARE_REFERENCE: Final = re.compile(r"(\$\{([A-Za-z0-9_]+|file:[^{}]*)\})+")
# A key that may be named: not a secret that lost its quotes or its place.
_WORD: Final = re.compile(r"[A-Za-z_$<.-]{1,32}[0-9]{0,3}")
# A password in a URL, or what providers' keys look like, in a place where nothing secret belongs.
_SUSPECT: Final = re.compile(r"@|\b(?:sk|pk|gsk|csk|xai|nvapi|pplx|hf|fw|tgp|key|AIza)[-_]?[A-Za-z0-9_-]{16,}")
BLANK: Final = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Override:
    """A value from a flag or the environment that wins over the file."""

    text: str
    origin: str  # "--port", "EDGEPROXY__SERVER__LISTEN"


@dataclass(slots=True)
class Reader:
    """One reading of one file."""

    file: str
    text: str
    expander: Expander
    overrides: MappingType[Path, Override] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spans: dict[Path, Span] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    shown: set[Span] = field(default_factory=set)  # scalars that an excerpt may show; all others are masked
    secret_variables: set[str] = field(default_factory=set)
    is_broken: bool = False  # a required part is missing: cross-checks would only add noise
    _lines: list[str] | None = None
    _scalars: dict[int, list[Scalar]] = field(default_factory=dict)

    # -- problems --------------------------------------------------------------------------------------------------

    def report(self, span: Span, message: str, hint: str = "", *, is_warning: bool = False) -> None:
        """`source` is filled in at the end, when it is known what an excerpt may show."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(
                Problem(self.file, span.line, span.col, message, hint, "", span.length, is_warning=is_warning)
            )

    def report_at(self, path: Path, message: str, hint: str = "", *, is_warning: bool = False) -> None:
        """A problem of the value at `path`, or of the nearest thing around it that the file has."""
        override = self.overrides.get(path)
        if override is not None:
            self.problems.append(Problem(override.origin, 0, 0, message, hint, is_warning=is_warning))
            return
        while path and path not in self.spans:
            path = path[:-1]
        self.report(self.spans.get(path, Span(1, 1)), message, hint, is_warning=is_warning)

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, kind: AnyKind, node: Node, path: Path) -> Any:
        """The value, or FAILED after reporting why."""
        self.spans[path] = node.span
        if isinstance(kind, Either):
            kind = kind.scalar if isinstance(node, Scalar) else kind.other
        match kind, node:
            case Kind(), Scalar():
                return self._scalar(kind, node, path)
            case Items(), Sequence():
                return self._items(kind, node, path)
            case Table(), Mapping():
                return self._table(kind, node, path)
            case Object(), Mapping():
                return self.object(kind.cls, node, path)
        return self._wrong_shape(kind, node, path)

    def _wrong_shape(self, kind: AnyKind, node: Node, path: Path) -> Any:
        name = _label(path)
        if isinstance(node, Scalar) and node.is_plain and node.text in BLANK:
            self.report(node.span, f"{name} is blank", f"remove it, or give it a value: {kind.name}")
        else:
            shapes = {Scalar: "a single value", Sequence: "a list", Mapping: "a mapping"}
            wanted = shapes[_NODE_OF.get(type(kind), Scalar)]
            self.report(node.span, f"{name} is {shapes[type(node)]}, expected {wanted}", f"it takes: {kind.name}")
        return FAILED

    def _scalar(self, kind: Kind, node: Scalar, path: Path) -> Any:
        if not kind.is_secret and not _SUSPECT.search(node.text):
            self.shown.add(node.span)
        override = self.overrides.get(path)
        if override is not None:
            return self.overridden(kind, override, path)
        if node.is_plain and node.text in BLANK:
            self.report(node.span, f"{_label(path)} is blank", f"remove it, or give it a value: {kind.name}")
            return FAILED
        text = self._expanded(kind, node)
        if text is None:
            return FAILED
        is_reference = text is not node.text
        if kind.is_text and node.is_plain and not is_reference and LOOKS_TYPED.fullmatch(text):
            self.report(node.span, f"{_label(path)} is not text", "put it in quotes")
            return FAILED
        try:
            value = kind.parse(text)
        except ValueError as error:
            hint = "the value came out of a variable or file" if is_reference else ""
            self.report(node.span, f"{_label(path)}: {error}", hint)
            return FAILED
        self.origins[path] = f"{self.file}:{node.span.line}:{node.span.col}"
        return value

    def _expanded(self, kind: Kind, node: Scalar) -> str | None:
        before = set(self.expander.used)
        exposed = len(self.expander.exposed)
        try:
            text = self.expander.expand(node.text)
        except VariableError as error:
            self.report(node.span, error.message, error.hint)
            return None
        if kind.is_secret:
            self.secret_variables |= self.expander.used - before
            self.secret_variables.update(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", node.text))
        for path in self.expander.exposed[exposed:]:
            self.report(node.span, f"everyone on this machine can read `{path}`", f"chmod 600 {path}", is_warning=True)
        return text

    def overridden(self, kind: Kind, override: Override, path: Path) -> Any:
        try:
            value = kind.parse(override.text)
        except ValueError as error:
            self.problems.append(Problem(override.origin, 0, 0, f"{_label(path)}: {error}"))
            return FAILED
        self.origins[path] = override.origin
        return value

    def _items(self, kind: Items, node: Sequence, path: Path) -> Any:
        if len(node.items) > kind.most:
            self.report(node.span, f"{_label(path)} has {len(node.items)} entries", f"at most {kind.most}")
            return FAILED
        values = [self.read(kind.of, item, (*path, index)) for index, item in enumerate(node.items)]
        return tuple(value for value in values if value is not FAILED)

    def _table(self, kind: Table, node: Mapping, path: Path) -> Any:
        if len(node.pairs) > kind.most:
            self.report(node.span, f"{_label(path)} has {len(node.pairs)} entries", f"at most {kind.most}")
            return FAILED
        result = {}
        for key, item in node.pairs:
            name = self.read(kind.key, key, (*path, key.text, "name"))
            value = self.read(kind.of, item, (*path, key.text))
            if name is not FAILED and value is not FAILED:
                result[name] = value
        return result

    def object(self, cls: type[Any], node: Mapping, path: Path) -> Any:
        options = options_of(cls)
        values: dict[str, Any] = {}
        failed = False
        for key, item in node.pairs:
            option = options.get(key.text)
            if option is not None or _WORD.fullmatch(key.text):
                self.shown.add(key.span)
            if option is None:
                self.report(key.span, f"unknown key{_named(key.text)}", did_you_mean(key.text, list(options)))
                continue
            value = self.read(option.kind, item, (*path, option.name))
            if value is not FAILED:
                values[option.name] = value
            else:
                # A value that is there but bad is not a value that is missing: cross-checks could not tell.
                self.is_broken = True
                failed |= option.is_required
        present = {key.text for key, _ in node.pairs}
        failed |= self._fill(options, present, values, node, path)
        if failed:
            self.is_broken = True
            return FAILED
        return cls(**values)

    def _fill(
        self, options: MappingType[str, Option], present: set[str], values: dict[str, Any], node: Mapping, path: Path
    ) -> bool:
        """Overrides of keys that the file does not have, and the keys that it must have. True: one is missing."""
        missing = False
        for name, option in options.items():
            if name in present:
                continue
            if option.is_required:
                self.report(node.span, f"{_label(path)} has no `{name}`", f"add `{name}:` ({option.kind.name})")
                missing = True
            elif isinstance(option.kind, Object):
                value = self.absent(option.kind.cls, (*path, name))
                if value is not None:
                    values[name] = value
            elif isinstance(option.kind, Kind) and (*path, name) in self.overrides:
                value = self.overridden(option.kind, self.overrides[(*path, name)], (*path, name))
                if value is not FAILED:
                    values[name] = value
        return missing

    def absent(self, cls: type[Any], path: Path) -> Any:
        """A section that the file leaves out, when an override reaches into it."""
        if any(where[: len(path)] == path for where in self.overrides):
            return self.object(cls, Mapping(Span(1, 1)), path)
        return None

    # -- excerpts --------------------------------------------------------------------------------------------------

    def finished(self, root: Node | None) -> list[Problem]:
        """The problems in the file's order, each with its line, in which unknown and secret values are masked."""
        self._lines = self.text.splitlines()
        if root is not None and self.problems:
            self._index(root)
        done = [self._with_source(problem) for problem in self.problems]
        return sorted(done, key=lambda problem: (problem.is_warning, problem.line, problem.col))

    def _index(self, root: Node) -> None:
        stack: list[Node] = [root]
        seen: set[int] = set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, Scalar):
                self._scalars.setdefault(node.span.line, []).append(node)
            elif isinstance(node, Sequence):
                stack += node.items
            else:
                stack += [part for pair in node.pairs for part in pair]

    def _with_source(self, problem: Problem) -> Problem:
        lines = self._lines or []
        if not 0 < problem.line <= len(lines):
            return problem
        line = lines[problem.line - 1]
        scalars = self._scalars.get(problem.line)
        source = mask(line, scalars, self.shown) if scalars else mask_unparsed(line)
        return Problem(
            problem.file, problem.line, problem.col, problem.message, problem.hint, source, problem.length,
            is_warning=problem.is_warning,
        )  # fmt: skip


def mask(line: str, scalars: SequenceType[Scalar], shown: set[Span]) -> str:
    """The line without comments, and with stars where a scalar is not known to be harmless."""
    allowed = {
        index
        for scalar in scalars
        if scalar.span in shown or _BARE_REFERENCE.fullmatch(scalar.text)
        for index in _columns(scalar)
    }
    known = {index for scalar in scalars for index in _columns(scalar)}
    out = []
    for index, char in enumerate(line):
        is_hidden = index not in allowed and (index in known or char.isalnum())
        out.append("*" if is_hidden and not char.isspace() else char)
    return "".join(out)


def mask_unparsed(line: str) -> str:
    """A line that did not parse: only the names of declared keys are shown, where a colon follows."""

    names = all_names()

    def hidden(match: re.Match[str]) -> str:
        is_key = match[0] in names and line[match.end() :].lstrip().startswith(":")
        return match[0] if is_key else "*" * len(match[0])

    return re.sub(r"[^\s:,{}\[\]\"'#]+", hidden, line)


def _columns(scalar: Scalar) -> range:
    return range(scalar.span.col - 1, scalar.span.col - 1 + scalar.span.length)


def _named(key: str) -> str:
    return f" `{key}`" if _WORD.fullmatch(key) else ""


def _label(path: Path) -> str:
    """The key's name, or `entry 3 of `models``."""
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, int):
        parent = path[-2] if len(path) > 1 else ""
        return f"entry {last + 1} of `{parent}`"
    return f"`{last}`" if _WORD.fullmatch(last) else "this value"


__all__ = ["FAILED", "Override", "Path", "Reader", "holds_secret", "mask", "mask_unparsed"]
