"""Providers from the variables that their own tools use, so that `edgeproxy up` needs no file."""

import ctypes
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from edgeproxy.control.config.kinds import SecretText, Url
from edgeproxy.control.config.variables import VariableError, read_secret_file
from edgeproxy.control.known import BY_SLUG, KNOWN, Known, known_at
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import LaneLimits, Provider, Queue

OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Source:
    """A provider together with its credentials, before anybody knows its models."""

    provider: Provider
    credentials: tuple[tuple[str, Secret | None], ...]
    limits: LaneLimits = field(default_factory=LaneLimits)
    queue: Queue = field(default_factory=Queue)

    @property
    def secret(self) -> Secret | None:
        return self.credentials[0][1]


@dataclass(frozen=True, slots=True)
class Found:
    """What the environment has. `secret_variables` are to be removed from it now."""

    sources: tuple[Source, ...]
    notes: tuple[str, ...]  # for people; never with a secret in them
    secret_variables: frozenset[str]


def providers_from(environ: Mapping[str, str]) -> Found:
    """Every provider that the environment has a key or an address for."""
    sources: dict[str, Source] = {}
    notes: list[str] = []
    used: set[str] = set()
    for known in KNOWN:
        source = _source(known, environ, notes, used)
        if source is not None and source.provider.slug not in sources:
            sources[source.provider.slug] = source
        elif source is not None:
            notes.append(f"{source.provider.source}: {source.provider.slug} is set up already; left out")
    ollama = _ollama(environ, notes)
    if ollama is not None:
        sources["ollama"] = ollama
    return Found(tuple(sources.values()), tuple(notes), frozenset(used))


def scrub(names: Iterable[str]) -> None:
    """Take variables out of this process's environment, and their text out of `/proc/PID/environ`."""
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in names:
        if name not in os.environ:
            continue
        address = libc.getenv(os.fsencode(name))
        if address:
            ctypes.memset(address, ord("x"), len(ctypes.string_at(address)))
        del os.environ[name]


def _source(known: Known, environ: Mapping[str, str], notes: list[str], used: set[str]) -> Source | None:
    variable, secret = _secret(known.variables, environ, notes, used)
    base_url = known.base_url
    if known.base_url_variable and environ.get(known.base_url_variable, "").strip():
        try:
            base_url = Url().parse(environ[known.base_url_variable].strip())
        except ValueError as error:
            notes.append(f"{known.base_url_variable}: {error}; {known.slug} is left out")
            return None
        variable = variable or known.base_url_variable
    if not variable:
        return None
    slug, name = _identity(known, base_url)
    provider = Provider(slug=slug, name=name, dialect="openai-chat", base_url=base_url, source=variable)
    return Source(provider, (("default", secret),))


def _secret(
    variables: tuple[str, ...], environ: Mapping[str, str], notes: list[str], used: set[str]
) -> tuple[str, Secret | None]:
    """The first of the variables that has a usable key, directly or as the path of a file."""
    for variable in variables:
        for name, is_file in ((variable, False), (f"{variable}_FILE", True)):
            text = environ.get(name, "").strip()
            if not text:
                continue
            if not is_file:
                used.add(name)
            try:
                return name, SecretText().parse(_from_file(name, text, notes) if is_file else text)
            except VariableError as error:
                notes.append(f"{name}: {error.message}")
            except ValueError as error:
                notes.append(f"{name}: {error}")
    return "", None


def _from_file(name: str, path: str, notes: list[str]) -> str:
    text, is_exposed = read_secret_file(path)
    if is_exposed:
        notes.append(f"{name}: everyone on this machine can read the file; chmod 600 it")
    return text.strip()


def _identity(known: Known, base_url: str) -> tuple[str, str]:
    """Who really answers at a base URL that a variable moved elsewhere."""
    if base_url == known.base_url:
        return known.slug, known.name
    at = known_at(base_url)
    if at is not None:
        return at.slug, at.name
    host = urlsplit(base_url).hostname or ""
    labels = host.split(".")
    if len(labels) < 2 or ":" in host or labels[-1].isdigit():
        return "local", "Local"
    slug = re.sub(r"[^a-z0-9-]", "-", labels[-2].lower()).strip("-") or "local"
    return ("local", "Local") if slug in BY_SLUG else (slug, slug.title())


def _ollama(environ: Mapping[str, str], notes: list[str]) -> Source | None:
    text = environ.get("OLLAMA_HOST", "").strip()
    if not text:
        return None
    try:
        base_url = ollama_base_url(text)
    except ValueError:
        notes.append("OLLAMA_HOST: expected a host, host:port or URL; ollama is left out")
        return None
    provider = Provider(slug="ollama", name="Ollama", dialect="openai-chat", base_url=base_url, source="OLLAMA_HOST")
    return Source(provider, (("default", None),))


def ollama_base_url(text: str) -> str:
    """`OLLAMA_HOST` as Ollama's own client reads it: port 11434 unless a scheme or a port says otherwise."""
    has_scheme = "://" in text
    url = urlsplit(text if has_scheme else f"http://{text}")
    host = url.hostname or "127.0.0.1"
    if host in ("0.0.0.0", "::"):  # noqa: S104 a server's address for "everywhere": reach it on loopback
        host = "127.0.0.1"
    port = url.port or (None if has_scheme else OLLAMA_PORT)
    shown = f"[{host}]" if ":" in host else host
    return Url().parse(f"{url.scheme}://{shown}{f':{port}' if port else ''}{url.path.rstrip('/')}/v1")
