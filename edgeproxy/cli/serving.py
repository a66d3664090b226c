"""`up` and `serve`: settings, snapshot and a way to make them again, handed to the application."""

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from edgeproxy.cli.banner import ServeBanner, UpBanner
from edgeproxy.cli.output import Failure, is_coloured, note
from edgeproxy.control.assemble import snapshot_for_up, sources_of, with_discovered
from edgeproxy.control.catalog import shipped_catalog
from edgeproxy.control.config import Address, Loaded, Settings, load_config, render, settings_from
from edgeproxy.control.discovery import Listing, kept, list_all
from edgeproxy.control.environment import Source, providers_from, scrub
from edgeproxy.control.keys import make_key
from edgeproxy.control.watch import Watch
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.launch import Launched, launch
from edgeproxy.node.process import usable_cores

Flag = tuple[str, str, str]  # dotted key, text, the flag's name
Prepared = tuple[Settings, Snapshot]


def up(options: argparse.Namespace) -> int:
    environ = dict(os.environ)
    settings = settings_from(environ, _up_flags(options, environ))
    check_free(settings, options.verb)
    found = providers_from(environ)
    scrub(found.secret_variables)
    key = make_key()
    asking = Asking()

    def prepare() -> Prepared:
        return settings, snapshot_for_up(found.sources, asking.ask(found.sources), key, shipped_catalog())

    _, snapshot = prepare()
    banner = UpBanner(found.sources, asking.last, found.notes, snapshot, key)
    return run(settings, snapshot, prepare, banner)


def serve(options: argparse.Namespace) -> int:
    environ = dict(os.environ)
    flags = [
        (f"server.{name}", value, f"--{name}")
        for name, value in (
            ("listen", options.listen),
            ("ops", options.ops),
            ("workers", options.workers),
            ("watch", "true" if options.watch else None),
        )
        if value is not None
    ]

    asking = Asking()
    files = [options.config]

    def read() -> Loaded:
        loaded = load_config(options.config, environ=environ, flags=flags)
        files[:] = loaded.files
        scrub(loaded.secret_variables)
        for warning in loaded.warnings:
            note(render(warning, is_coloured=is_coloured(sys.stderr)))
        return loaded

    def prepare() -> Prepared:
        loaded = read()
        return loaded.settings, discovered(loaded, asking)

    loaded = read()
    check_free(loaded.settings, options.verb)
    snapshot = discovered(loaded, asking)
    banner = ServeBanner(loaded.source, snapshot)
    return run(loaded.settings, snapshot, prepare, banner, Watch(lambda: tuple(files)))


def discovered(loaded: Loaded, asking: "Asking") -> Snapshot:
    """The snapshot with what the providers list that the file says to ask."""
    if not loaded.discovering:
        return loaded.snapshot
    sources = sources_of(loaded)
    listings = asking.ask(sources)
    for listing in listings:
        if listing.error:
            fate = "the models it listed before stay" if listing.models else "its models are left out"
            note(f"warning: {listing.provider} {listing.error}: {fate}")
    return with_discovered(loaded, sources, listings, shipped_catalog())


class Asking:
    """Asks providers for their models and remembers what they said last. May run in any thread without a loop."""

    def __init__(self) -> None:
        self.last: tuple[Listing, ...] = ()

    def ask(self, sources: Sequence[Source]) -> tuple[Listing, ...]:
        if sources:
            self.last = kept(self.last, asyncio.run(list_all(sources)))
        return self.last


def run(
    settings: Settings,
    snapshot: Snapshot,
    reload: Callable[[], Prepared],
    banner: Callable[..., None],
    watch: Watch | None = None,
) -> int:
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit())  # until the supervisor minds it
    launched: list[Launched] = []
    try:
        # The workers load at the same time as the application.
        launched.extend(launch() for _ in range(settings.server.workers or usable_cores()))
        # Imported here: `check` and `models` must not need the compiled core.
        app = import_module("edgeproxy.app")
        code = app.run(settings, snapshot, launched, reload=reload, banner=banner, watch=watch)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Failure(f"cannot listen on {settings.server.listen}: address in use", "another port is free") from None
    finally:
        for one in launched:
            one.process.kill()  # nothing, where it has ended and the supervisor has seen it
    return int(code or 0)


def check_free(settings: Settings, verb: str) -> None:
    """Find a taken port before providers are asked for anything."""
    for address, flag in ((settings.server.listen, "--port"), (settings.server.ops, "--ops-port")):
        try:
            _try_listening(address)
        except OSError as error:
            hint = f"edgeproxy up {flag} {_other_port(address)}" if verb == "up" else "change `server:` in the file"
            raise Failure(f"cannot listen on {address}: {_why(error)}", hint) from None


def _try_listening(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))
        probe.listen(1)


def _why(error: OSError) -> str:
    reasons = {
        errno.EADDRINUSE: "address in use",
        errno.EACCES: "permission denied",
        errno.EADDRNOTAVAIL: "not an address of this machine",
    }
    return reasons.get(error.errno or 0, "no such host" if isinstance(error, socket.gaierror) else "failed")


def _other_port(address: Address) -> int:
    return address.port + 10 if address.port <= 65_525 else address.port - 10


def _up_flags(options: argparse.Namespace, environ: Mapping[str, str]) -> list[Flag]:
    """`--host`, `--port` and `--ops-port` each replace one half of an address."""
    if options.host is None and options.port is None and options.ops_port is None:
        return []
    server = settings_from(environ).server
    flags: list[Flag] = []
    if options.host is not None or options.port is not None:
        listen = Address(_host(options.host, server.listen.host), _port(options.port, server.listen.port))
        flags.append(("server.listen", str(listen), "--port" if options.host is None else "--host"))
    if options.ops_port is not None:
        flags.append(("server.ops", str(Address(server.ops.host, options.ops_port)), "--ops-port"))
    return flags


def _host(given: str | None, default: str) -> str:
    return default if given is None else given.strip("[]")


def _port(given: int | None, default: int) -> int:
    return default if given is None else given
