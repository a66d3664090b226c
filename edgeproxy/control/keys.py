"""API keys: 256 random bits with a checksum, known afterwards by their SHA-256 alone."""

import hashlib
import secrets
import zlib

PREFIX = "sk-edge-v1-"


def make_key() -> str:
    """`sk-edge-v1-<64 hex><8 hex of CRC-32>`: a typing error is found before anything is looked up."""
    body = secrets.token_hex(32)
    return f"{PREFIX}{body}{_checksum(body)}"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def label(key: str) -> str:
    """What may be shown of a key."""
    return f"{key[:12]}...{key[-3:]}"


def has_valid_shape(key: str) -> bool:
    """False: certainly no key of ours. A key with another prefix is never refused for its shape."""
    if not key.startswith(PREFIX):
        return True
    body, checksum = key[len(PREFIX) : -8], key[-8:]
    return len(key) == len(PREFIX) + 72 and secrets.compare_digest(_checksum(body).encode(), checksum.encode())


def _checksum(body: str) -> str:
    return f"{zlib.crc32((PREFIX + body).encode()):08x}"
