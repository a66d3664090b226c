"""`docs/configuration.md`, made from the declarations.

python -m edgeproxy.control.config.reference     writes the page and `data/config.schema.json`
"""

from pathlib import Path
from typing import Any

from edgeproxy.control.config.kinds import Kind
from edgeproxy.control.config.options import Config, Option, options_of
from edgeproxy.control.config.schema import json_schema_text
from edgeproxy.control.config.shapes import Either, Items, Object

PACKAGE = Path(__file__).parents[2]
PAGE = PACKAGE.parent / "docs" / "configuration.md"
SCHEMA = PACKAGE / "data" / "config.schema.json"

EXAMPLE = """\
# yaml-language-server: $schema=config.schema.json    (made by: edgeproxy config schema > config.schema.json)
server:
  listen: 127.0.0.1:8080
  ops: 127.0.0.1:8081

providers:
  - name: openai                       # a known name: base_url is not needed
    api_key: ${OPENAI_API_KEY}
    discover: true                     # serve every chat model that it lists
  - name: local
    base_url: http://127.0.0.1:9101/v1
    max_concurrency: 16                # more calls wait in the model's queue, or get 429 with Retry-After
  - name: backup
    base_url: http://127.0.0.1:9102/v1
    credentials:
      - { name: blue, api_key: "${BLUE_KEY:-none}" }
      - { name: green, api_key: "${GREEN_KEY:-none}" }

models:
  - id: smollm/smollm2-135m
    aliases: [smollm]
    endpoints:
      - { provider: local, model: smollm2-135m, price: { prompt: "0.0000001", completion: "0.0000002" } }
      - { provider: backup, model: smollm2-135m, weight: 2, price: unknown, requests_per_minute: 600 }

keys:
  - name: team
    sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
"""

INTRODUCTION = """\
# Configuration

<!-- Made by `python -m edgeproxy.control.config.reference` from edgeproxy/control/config/options.py. Do not edit. -->

One YAML file. `edgeproxy serve --config edgeproxy.yaml` runs it, `edgeproxy check edgeproxy.yaml` judges it offline:
every problem with file, line and column, exit 0 when it can be served, 1 when it cannot. A file is taken whole or not
at all; on reload a bad one changes nothing.

```yaml
{example}```

**Where a value comes from.** A flag wins over the environment, the environment over the file, the file over the
default. Every key outside a list has a variable: `EDGEPROXY__` and its path in capitals, joined by two underscores, as
in `EDGEPROXY__SERVER__LIMITS__MAX_BODY=64MiB`. `edgeproxy config show --origin` says which won.

**References.** `${{NAME}}` is an environment variable; without a value it is an error. `${{NAME:-text}}` has a default.
`${{file:/run/secrets/name}}` is a file's text without its last newline; a file that everyone on the machine can read
gives a warning. `$${{` is a literal `${{`. What a variable contains is not expanded again. Variables that held a secret
are taken out of the process's environment once they are read.

**YAML.** Unknown and duplicate keys are errors, and so are tags, a second document and a blank value. Anchors and
aliases work. Durations are `500ms`, `5s`, `1m30s` or seconds; sizes are `64KiB`, `32MiB` or bytes; shares are `0.05` or
`5%`. A file has at most 16 MiB, a model at most 64 lanes.

"""


def reference_text() -> str:
    lines = [INTRODUCTION.format(example=EXAMPLE)]
    for path, cls in _sections(Config, ""):
        lines += _section(path, cls)
    return "\n".join(lines).rstrip() + "\n"


def _sections(cls: type[Any], path: str) -> list[tuple[str, type[Any]]]:
    """The root and every object under it, each once, in the file's order."""
    found = [(path, cls)]
    for option in options_of(cls).values():
        inner, suffix = _inner(option)
        if inner is not None:
            found += _sections(inner, f"{path}.{option.name}{suffix}".lstrip("."))
    return found


def _inner(option: Option) -> tuple[type[Any] | None, str]:
    match option.kind:
        case Object(cls=cls) | Either(other=Object(cls=cls)):
            return cls, ""
        case Items(of=Object(cls=cls)):
            return cls, "[]"
    return None, ""


def _section(path: str, cls: type[Any]) -> list[str]:
    title = f"## `{path}`" if path else "## The file"
    lines = [title, "", cls.__doc__ or "", "", "| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [_row(option, path) for option in options_of(cls).values()]
    return [*lines, ""]


def _row(option: Option, path: str) -> str:
    inner, suffix = _inner(option)
    where = f"{path}.{option.name}{suffix}".lstrip(".")
    kind = option.kind.name
    if isinstance(option.kind, Object) or (isinstance(option.kind, Items) and inner is not None):
        anchor = where.replace(".", "").replace("[]", "")
        kind = f"[{'list of ' if suffix else ''}{'entries' if suffix else 'section'}](#{anchor})"
    default = "**required**" if option.is_required else _default(option)
    return f"| `{option.name}` | {kind.replace('|', '/')} | {default} | {option.doc} |"


def _default(option: Option) -> str:
    if not option.shown_default:
        return ""
    is_value = isinstance(option.kind, Kind) and option.default is not None
    return f"`{option.shown_default}`" if is_value else option.shown_default


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference_text())
    SCHEMA.write_bytes(json_schema_text())
