"""The JSON Schema of the file, made from the declarations. Editors use it; the reader does not."""

from typing import Any

import orjson

from edgeproxy.control.config.kinds import Boolean, Integer, Kind
from edgeproxy.control.config.options import Config, Option, options_of
from edgeproxy.control.config.shapes import AnyKind, Either, Items, Table

TITLE = "edgeproxy.yaml"


def json_schema() -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    root = _object(Config, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, **root, "$defs": definitions}


def json_schema_text() -> bytes:
    return orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2) + b"\n"


def _object(cls: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    options = options_of(cls)
    schema: dict[str, Any] = {
        "type": "object",
        "description": cls.__doc__ or "",
        "properties": {option.name: _property(option, definitions) for option in options.values()},
        "additionalProperties": False,
    }
    required = [option.name for option in options.values() if option.is_required]
    return schema | ({"required": required} if required else {})


def _property(option: Option, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = {**_kind(option.kind, definitions), "description": option.doc}
    if isinstance(option.kind, Kind) and option.default is not None:
        schema["default"] = _default(option.kind, option.default)
    return schema


def _default(kind: Kind, value: Any) -> Any:
    if isinstance(kind, Boolean):
        return value
    if isinstance(kind, Integer) and kind.show(value) == str(value):
        return value
    return kind.show(value)


def _kind(kind: AnyKind, definitions: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case Kind():
            return kind.schema()
        case Items(of=inner, most=most):
            return {"type": "array", "items": _kind(inner, definitions), "maxItems": most}
        case Table(of=inner, most=most):
            return {"type": "object", "additionalProperties": _kind(inner, definitions), "maxProperties": most}
        case Either(scalar=scalar, other=other):
            return {"anyOf": [scalar.schema(), _kind(other, definitions)]}
    name = kind.cls.__name__
    if name not in definitions:
        definitions[name] = {}  # taken before its parts are made: a declaration may mention itself
        definitions[name] = _object(kind.cls, definitions)
    return {"$ref": f"#/$defs/{name}"}
