"""What systemd wants to know of a service of `Type=notify`: sd_notify(3), over the socket that it names."""

import os
import socket
import time
from collections.abc import Mapping

PATIENCE_S = 0.5  # while systemd's queue is full


class Notifier:
    """Says nothing where nobody asked."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = _watchdog_s(environ) if address else 0.0

    @classmethod
    def from_environment(cls) -> "Notifier":
        """Takes the variables out of the environment: they are for this process and none that it starts."""
        made = cls(os.environ)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)
        return made

    def ready(self, status: str) -> None:
        self._say("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._say(f"STATUS={status}")

    def reloading(self) -> None:
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self, status: str, within_s: float) -> None:
        self._say("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def alive(self) -> None:
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE_S)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # systemd is busy or gone: the node is not


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """How often it must hear from us; 0: never."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(usec) / 1e6
