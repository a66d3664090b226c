"""The exec of a worker process, and nothing else: quick to import, so that workers can load while their node does."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass

# All that a worker needs of the environment. Credentials travel by the channel.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "NO_COLOR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Launched:
    """A process, and our end of its channel. It waits to be told what to serve; it ends when our end is closed."""

    process: "subprocess.Popen[bytes]"
    sock: socket.socket


def launch() -> Launched:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        return Launched(_exec_worker(theirs.fileno()), ours)


def _exec_worker(control_fd: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "edgeproxy.node.worker", str(control_fd)],
        pass_fds=(control_fd,),
        stdin=subprocess.DEVNULL,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
    )
