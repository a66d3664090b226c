"""Verbs that talk to a running node's ops address: healthcheck and reload."""

import argparse
import http.client
import os
from urllib.parse import urlsplit

from edgeproxy.cli.banner import reachable
from edgeproxy.cli.output import Failure, printable
from edgeproxy.control.config import settings_from

MAX_ANSWER = 64 * 1024


def healthcheck(options: argparse.Namespace) -> int:
    url = options.url or f"{_ops()}/readyz"
    status, body = _ask("GET", url, timeout_s=3.0)
    if status != 200:
        raise Failure(f"not ready: {status} {printable(body)}")
    print("ready")
    return 0


def reload(options: argparse.Namespace) -> int:
    url = options.url or f"{_ops()}/-/reload"
    if options.workers:
        url += "&workers" if "?" in url else "?workers"
    # Providers may be asked for their models before the answer comes, and workers started one after the other.
    status, body = _ask("POST", url, timeout_s=600.0 if options.workers else 60.0)
    if status // 100 != 2:
        raise Failure(f"not reloaded, the old configuration is kept: {printable(body)}", "see: edgeproxy check FILE")
    print("reloaded, and the workers replaced" if options.workers else "reloaded")
    return 0


def _ops() -> str:
    return f"http://{reachable(settings_from(os.environ).server.ops)}"


def _ask(method: str, url: str, timeout_s: float) -> tuple[int, str]:
    """Status and the start of the body; redirects are not followed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Failure("not a URL", "such as http://127.0.0.1:8081/readyz", code=2) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure("not a URL", "such as http://127.0.0.1:8081/readyz", code=2)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, port, timeout=timeout_s)
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        return response.status, response.read(MAX_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else "no node answers there"
        raise Failure(f"{parts.scheme}://{parts.hostname}:{port or ''}: {why}", "is edgeproxy running?") from None
    finally:
        connection.close()
