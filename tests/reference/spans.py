"""What `_core.spans` must do, said plainly with the standard library's parser."""

from typing import Any

from reference.json_pairs import Object, parse


def has_half_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= rune <= "\udfff" for rune in value)
    if isinstance(value, Object):
        return any(has_half_surrogate(key) or has_half_surrogate(item) for key, item in value.members)
    return isinstance(value, list) and any(map(has_half_surrogate, value))


def members(body: bytes) -> list[tuple[str, Any]]:
    """The members of an acceptable body; ValueError otherwise. (Nesting is not judged here.)"""
    if not body.startswith((b"{", b" ", b"\t", b"\r", b"\n")):
        raise ValueError("no object")
    parsed = parse(body)
    if not isinstance(parsed, Object) or has_half_surrogate(parsed):
        raise ValueError("no object, or half a surrogate pair")
    keys = [key for key, _ in parsed.members]
    if len(set(keys)) < len(keys):
        raise ValueError("duplicate key")
    return parsed.members


def splice(body: bytes, replace: dict[str, bytes], remove: tuple[str, ...], add: bytes) -> list[tuple[str, Any]]:
    """The members of the edited body."""
    kept = [
        (key, parse(replace[key]) if key in replace else value) for key, value in members(body) if key not in remove
    ]
    return kept + (parse(b"{" + add + b"}").members if add else [])
