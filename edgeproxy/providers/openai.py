"""OpenAI-compatible providers: where a call goes and the head of its request.

The credential is bound to the provider's own origin: it is put into a head that names that host, and the head goes
only to connections of that origin.
"""

from urllib.parse import urlsplit

import msgspec

from edgeproxy import __version__
from edgeproxy.domain.errors import ConfigError
from edgeproxy.domain.snapshot import Provider

PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Scheme, host and port, with the trust that goes with them: the key of a connection pool."""

    scheme: str
    host: str
    port: int
    ca_file: str | None = None

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def origin_of(provider: Provider) -> Origin:
    parts = urlsplit(provider.base_url)
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise ConfigError(f"provider {provider.slug}: base_url is not a plain http(s) address")
    return Origin(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], provider.ca_file)


def request_head(provider: Provider, secret: str | None, accept: str) -> bytes:
    """Everything of a chat request's head up to the number after `Content-Length: `."""
    path = urlsplit(provider.base_url).path.rstrip("/") + "/chat/completions"
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {origin_of(provider).authority}",
        f"User-Agent: edgeproxy/{__version__}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
    ]
    if secret is not None:
        lines.append(f"Authorization: Bearer {secret}")
    lines += [f"{name}: {value}" for name, value in provider.headers]
    for line in lines:
        if not line.isascii() or "\r" in line or "\n" in line or "\0" in line:
            raise ConfigError(f"provider {provider.slug}: a header or credential has characters that HTTP forbids")
    return "\r\n".join([*lines, "Content-Length: "]).encode()
