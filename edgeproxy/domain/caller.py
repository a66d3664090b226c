"""Who calls, as the data plane needs it: made once of a key, and read by every call of it."""

import zlib

from edgeproxy.domain.snapshot import Key
from edgeproxy.domain.whole import Tenant

NEVER = float("inf")


class Caller:
    def __init__(self, key: Key) -> None:
        self.sha256 = key.sha256
        self.org = key.org
        self.label = key.label or key.name  # what a person knows the key by
        self.tenant: Tenant = zlib.crc32(key.org.encode())  # the org, as the core tells tenants apart
        self.keepalive_comments = key.keepalive_comments
        self.is_disabled = key.is_disabled
        self.expires_at = NEVER if key.expires_at is None else float(key.expires_at)  # Unix seconds
