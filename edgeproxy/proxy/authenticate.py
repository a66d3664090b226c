"""Who calls: the digest of the key, looked up in the snapshot. One answer for all keys that are not good."""

import hashlib
import hmac
import re
import time

from edgeproxy.domain.errors import Unauthenticated
from edgeproxy.domain.snapshot import Key
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.ports import Accounts

# What a key may look like at all; RFC 6750 section 2.1 (b64token).
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{1,512}=*")
NOBODY = "0" * 64


def authenticate(exchange: Exchange, accounts: Accounts) -> Key:
    """The caller's key, or Unauthenticated."""
    token = bearer(exchange)
    if token is None:
        raise Unauthenticated("Missing Authentication header. Send `Authorization: Bearer <your key>`.")
    is_formed = _TOKEN.fullmatch(token) is not None
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    key = accounts.find(digest)
    is_good = hmac.compare_digest(digest, key.sha256 if key else NOBODY) and is_formed
    if key is None or not is_good or key.is_disabled or _is_expired(key):
        raise Unauthenticated("User not found.")
    return key


def bearer(exchange: Exchange) -> str | None:
    """The key that the client sent, by either of the two headers that clients use."""
    value = exchange.header("Authorization")
    if value is not None:
        scheme, _, token = value.partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None
    return exchange.header("x-api-key") or None


def _is_expired(key: Key) -> bool:
    return key.expires_at is not None and key.expires_at <= time.time()
