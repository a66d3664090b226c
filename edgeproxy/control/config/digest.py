"""The identity of a snapshot: SHA-256 of everything in it but secrets.

Two snapshots that differ in a secret's text only have the same digest, so it is no test of whether to reload.
"""

import hashlib
from dataclasses import replace
from typing import Any

import orjson

from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Provider, Snapshot


def digest_of(snapshot: Snapshot, catalog_digest: str) -> str:
    """For a snapshot that has not been placed yet: slots belong to a node and not to the configuration."""
    bare = replace(snapshot, digest="", providers=tuple(_bare(provider) for provider in snapshot.providers))
    document = orjson.dumps([catalog_digest, bare], default=_whether_set)
    return hashlib.sha256(document).hexdigest()


def _bare(provider: Provider) -> Provider:
    """Headers may carry secrets; a file's name is not what it says."""
    return replace(provider, source="", headers=tuple((name, "") for name, _ in provider.headers))


def _whether_set(value: Any) -> bool:
    if isinstance(value, Secret):
        return bool(value)
    raise TypeError(f"{type(value).__name__} has no place in a snapshot")
