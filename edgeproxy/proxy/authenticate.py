"""Who calls: the digest of the key, looked up in the snapshot. One answer for all keys that are not good."""

import time
from hashlib import sha256
from hmac import compare_digest

from edgeproxy.domain.errors import Unauthenticated
from edgeproxy.domain.snapshot import Key
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.ports import Accounts

NOBODY = "0" * 64


def authenticate(exchange: Exchange, accounts: Accounts) -> Key:
    """The caller's key, or Unauthenticated. The same work for every text, whatever it looks like."""
    token = bearer(exchange)
    if token is None:
        raise Unauthenticated("Missing Authentication header. Send `Authorization: Bearer <your key>`.")
    digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    key = accounts.find(digest)
    is_good = compare_digest(digest, NOBODY if key is None else key.sha256)
    if key is None or not is_good or key.is_disabled or (key.expires_at is not None and key.expires_at <= time.time()):
        raise Unauthenticated("User not found.")
    return key


def bearer(exchange: Exchange) -> str | None:
    """The key that the client sent, by either of the two headers that clients use."""
    value = exchange.header("Authorization")
    if value is None:
        return exchange.header("x-api-key") or None
    if not value.startswith("Bearer ") and value[:7].lower() != "bearer ":
        return None
    return value[7:].strip() or None
