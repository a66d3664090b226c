"""The identity of a snapshot: SHA-256 of everything in it but secrets.

Two snapshots that differ in a secret's text only have the same digest, so it is no test of whether to reload.
"""

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Snapshot

LEFT_OUT = frozenset({"digest", "slot", "host_slot", "source"})


def digest_of(snapshot: Snapshot, catalog_digest: str) -> str:
    document = {"catalog": catalog_digest, "snapshot": _plain(snapshot)}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return bool(value)
    if is_dataclass(value):
        kept = {item.name: getattr(value, item.name) for item in fields(value) if item.name not in LEFT_OUT}
        if "headers" in kept:
            kept["headers"] = tuple(name for name, _ in kept["headers"])
        return {name: _plain(part) for name, part in kept.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
