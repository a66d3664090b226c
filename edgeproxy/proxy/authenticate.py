"""Who calls: the digest of the key, looked up in the snapshot. One answer for all keys that are not good."""

from hashlib import sha256
from hmac import compare_digest

from edgeproxy._core.clock import wall
from edgeproxy._core.exchange import Exchange, bearer_token
from edgeproxy.domain.caller import Caller
from edgeproxy.domain.errors import Unauthenticated
from edgeproxy.proxy.ports import Accounts

NOBODY = "0" * 64
_BLANK = sha256()  # to look an algorithm up costs OpenSSL more than to copy what it has found


def authenticate(exchange: Exchange, accounts: Accounts) -> Caller:
    """Who it is, or Unauthenticated. The same work for every text, whatever it looks like."""
    token = bearer(exchange)
    if token is None:
        raise Unauthenticated("Missing Authentication header. Send `Authorization: Bearer <your key>`.")
    hashed = _BLANK.copy()
    hashed.update(token)
    digest = hashed.hexdigest()
    caller: Caller | None = accounts.find(digest)
    is_good = compare_digest(digest, NOBODY if caller is None else caller.sha256)
    if caller is None or not is_good or caller.is_disabled or caller.expires_at <= wall():
        raise Unauthenticated("User not found.")
    return caller


def bearer(exchange: Exchange) -> bytes | None:
    """The key that the client sent, by either of the two headers that clients use."""
    value = exchange.header("Authorization")
    if value is None:
        return exchange.header("x-api-key") or None
    return bearer_token(value)
