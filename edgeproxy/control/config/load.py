"""`load_config`: one YAML file, the environment and flags → settings and snapshot, or every reason why not."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from edgeproxy.control.catalog import Catalog, shipped_catalog
from edgeproxy.control.config.compile import compile_config
from edgeproxy.control.config.kinds import (
    Kind,
)
from edgeproxy.control.config.options import Config, Settings, options_of
from edgeproxy.control.config.problems import ConfigRejected, Problem, Span, did_you_mean
from edgeproxy.control.config.reader import FAILED, Override, Path, Reader
from edgeproxy.control.config.shapes import Object
from edgeproxy.control.config.tree import MAX_BYTES, Node, TreeError, decode_text, parse
from edgeproxy.control.config.tree import Mapping as MappingNode
from edgeproxy.control.config.variables import Expander
from edgeproxy.domain.snapshot import Snapshot

PREFIX = "EDGEPROXY__"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be served."""

    source: str  # the file's name as given
    settings: Settings
    snapshot: Snapshot
    config: Config
    warnings: tuple[Problem, ...]
    origins: Mapping[Path, str]  # where each value that is not a default came from
    secret_variables: frozenset[str]  # variables to remove from the environment now
    discovering: tuple[str, ...]  # providers whose models are to be asked for
    files: tuple[str, ...] = ()  # all that it was made of


def load_config(
    path: str | FilePath,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Sequence[tuple[str, str, str]] = (),
    catalog: Catalog | None = None,
) -> Loaded:
    """Read and check the file whole. `flags` are (dotted key, text, flag's name). ConfigRejected has all problems."""
    environ = os.environ if environ is None else environ
    name = os.fspath(path)
    return load_text(_read(name), name, environ=environ, flags=flags, catalog=catalog)


def load_text(
    data: bytes,
    name: str,
    *,
    environ: Mapping[str, str],
    flags: Sequence[tuple[str, str, str]] = (),
    catalog: Catalog | None = None,
) -> Loaded:
    """As `load_config`, from bytes."""
    overrides, problems = _overrides(environ, flags)
    text, root = _tree(data, name)
    reader = Reader(name, text, Expander(environ), overrides, problems)
    config = reader.object(Config, root, ())
    snapshot = None
    if config is not FAILED and not reader.is_broken:
        snapshot = compile_config(config, reader, catalog or shipped_catalog())
    found = reader.finished(root)
    if snapshot is None or any(not problem.is_warning for problem in found):
        raise ConfigRejected(found)
    return Loaded(
        source=name,
        settings=Settings(server=config.server, log=config.log, routing=config.routing, metrics=config.metrics),
        snapshot=snapshot,
        config=config,
        warnings=tuple(found),
        origins=reader.origins,
        secret_variables=frozenset(reader.secret_variables),
        discovering=tuple(provider.name for provider in config.providers if provider.discover),
        files=(name, *reader.expander.files, *(one.ca_file for one in config.providers if one.ca_file)),
    )


def settings_from(environ: Mapping[str, str], flags: Sequence[tuple[str, str, str]] = ()) -> Settings:
    """Settings without a file, for `up`: flags, then the environment, then defaults."""
    config, _ = defaults_from(environ, flags)
    return Settings(server=config.server, log=config.log, routing=config.routing, metrics=config.metrics)


def defaults_from(
    environ: Mapping[str, str], flags: Sequence[tuple[str, str, str]] = ()
) -> tuple[Config, Mapping[Path, str]]:
    """A configuration without a file, and where its values came from."""
    overrides, problems = _overrides(environ, flags)
    reader = Reader("environment", "", Expander(environ), overrides, problems)
    config = reader.object(Config, MappingNode(Span(0, 0)), ())
    if config is FAILED or problems:
        raise ConfigRejected(problems)
    return config, reader.origins


def _read(name: str) -> bytes:
    """At most MAX_BYTES; a device, a directory or a missing file is a problem like any other."""
    try:
        if not os.path.isfile(name):
            reason = "is not a file" if os.path.exists(name) else "no such file"
            raise _rejected(name, reason, "edgeproxy up needs no file")
        with open(name, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _rejected(name, f"cannot be read: {reason.lower()}", "check its permissions") from None
    if len(data) > MAX_BYTES:
        raise _rejected(name, f"larger than {MAX_BYTES // 2**20} MiB", "is this the right file?")
    return data


def _rejected(name: str, message: str, hint: str) -> ConfigRejected:
    return ConfigRejected([Problem(name, 0, 0, message, hint)])


def _tree(data: bytes, name: str) -> tuple[str, MappingNode]:
    text = ""
    try:
        text = decode_text(data)
        root: Node | None = parse(text)
        if root is None:
            raise TreeError(
                "the file is empty", Span(1, 1), "half-written? start from the example in docs/configuration.md"
            )
        if not isinstance(root, MappingNode):
            raise TreeError("the file is not a mapping", root.span, "start with `providers:`")
    except TreeError as error:
        reader = Reader(name, text, Expander({}))
        reader.report(error.span, error.message, error.hint)
        raise ConfigRejected(reader.finished(None)) from None
    return text, root


def _overrides(
    environ: Mapping[str, str], flags: Sequence[tuple[str, str, str]]
) -> tuple[dict[Path, Override], list[Problem]]:
    """Flags win over `EDGEPROXY__SERVER__LISTEN` and its like."""
    known = {".".join(path): path for path in _single_values(Config, ())}
    problems: list[Problem] = []
    overrides: dict[Path, Override] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        dotted = variable.removeprefix(PREFIX).lower().replace("__", ".")
        if dotted in known:
            overrides[known[dotted]] = Override(environ[variable], variable)
            continue
        variables = [PREFIX + name.upper().replace(".", "__") for name in known]
        hint = (
            did_you_mean(variable.lower(), [name.lower() for name in variables])
            .upper()
            .replace("DID YOU MEAN", "did you mean")
        )
        problems.append(Problem(variable, 0, 0, "unknown setting", hint if "did" in hint else ""))
    for dotted, text, flag in flags:
        overrides[known[dotted]] = Override(text, flag)
    return overrides, problems


def _single_values(cls: type[object], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The settings that one text can set: those outside lists."""
    found: list[tuple[str, ...]] = []
    for name, option in options_of(cls).items():
        if isinstance(option.kind, Object):
            found += _single_values(option.kind.cls, (*path, name))
        elif isinstance(option.kind, Kind):
            found.append((*path, name))
    return found
