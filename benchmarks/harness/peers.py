"""Other gateways as rows, each as benchmarks/versus/install.sh installs it.

Their own balancing is round robin where there is a choice: it is the cheapest. What else they can do stays as it is
shipped, and so do their logs.
"""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from benchmarks.harness.gateways import TEMPLATES, Backend, Program, Running, fill
from benchmarks.harness.processes import free_port

PEERS = TEMPLATES / "peers"


class Peer(Program):
    """A gateway in an environment of its own."""

    @property
    def home(self) -> Path:
        return PEERS / self.name

    def version(self) -> str | None:
        mark = self.home / ".installed"
        return mark.read_text().strip() if mark.exists() else None

    def missing(self) -> str:
        return f"not installed: make peers, or benchmarks/versus/install.sh {self.name}"


class Litellm(Peer):
    name = "litellm"
    does = "one worker, no database"
    environment: ClassVar[dict[str, str]] = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "NO_DOCS": "True",
    }

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        lines = ["model_list:"]
        for model in range(backend.models):
            for url in backend.upstream_urls():
                lines.append(
                    f"  - {{ model_name: bench/m{model}, litellm_params:"
                    f" {{ model: openai/bench-model, api_base: {url}/v1, api_key: sk-upstream }} }}"
                )
        path = backend.work / "litellm.yaml"
        path.write_text("\n".join([*lines, "litellm_settings: { telemetry: false }", ""]))
        program = str(self.home / "bin/litellm")
        return [program, "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]


class Portkey(Peer):
    name = "portkey"
    does = "one process; its routes come in a header of each call"

    @contextmanager
    def serve(self, backend: Backend) -> Iterator[Running]:
        targets = [
            {"provider": "openai", "api_key": "sk-upstream", "custom_host": f"{url}/v1"}
            for url in backend.upstream_urls()
        ]
        config = json.dumps({"strategy": {"mode": "loadbalance"}, "targets": targets}, separators=(",", ":"))
        self.client_options = ("--header", f"x-portkey-config: {config}")
        with super().serve(backend) as gateway:
            yield gateway

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        script = self.home / "node_modules/@portkey-ai/gateway/build/start-server.js"
        return ["node", str(script), f"--port={port}", "--headless"]


class Router(Peer):
    """The three that are of one family: a Rust server with a Python command."""

    verb: tuple[str, ...] = ("launch",)

    def __init__(self) -> None:
        self.metrics_port = free_port()

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        command = [str(self.home / "bin" / self.name), *self.verb, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--worker-urls", *backend.upstream_urls(), "--policy", "round_robin"]
        return [*command, "--prometheus-port", str(self.metrics_port), "--log-level", "info"]


class SglangRouter(Router):
    name = "sglang-router"
    does = "retries, circuit breaker, health checks; a thread for each core"


class VllmRouter(Router):
    name = "vllm-router"
    verb = ()
    does = "retries, circuit breaker, health checks; a thread for each core"


class Smg(Router):
    """It serves what its workers say that they serve, so each name that clients use is an alias."""

    name = "smg"
    does = "retries, circuit breaker, health checks; a thread for each core"

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        names = [f"bench/m{model}=bench-model-2026-01-01" for model in range(backend.models)]
        return [*super().command(backend, port), *(word for name in names for word in ("--model-alias", name))]


class Tensorzero(Peer):
    """Its package carries the gateway as a library; the binary of its own is not on PyPI."""

    name = "tensorzero"
    does = "the gateway inside its Python package, a thread for each core, no database"
    client_options = ("--model", "tensorzero::model_name::bench/m%u", "--path", "/openai/v1/chat/completions")

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        routes = [f"up{i}" for i in range(len(backend.ports))]
        lines = ["[gateway]", "observability.enabled = false"]
        for model in range(backend.models):
            lines += [f'[models."bench/m{model}"]', f"routing = {json.dumps(routes)}"]
            for route, url in zip(routes, backend.upstream_urls(), strict=True):
                lines += [
                    f'[models."bench/m{model}".providers.{route}]',
                    'type = "openai"',
                    'model_name = "bench-model"',
                ]
                lines += [f'api_base = "{url}/v1/"', 'api_key_location = "none"']
        path = backend.work / "tensorzero.toml"
        path.write_text("\n".join([*lines, ""]))
        (backend.work / "tensorzero.url").unlink(missing_ok=True)
        script = str(TEMPLATES / "tensorzero_gateway.py")
        return [str(self.home / "bin/python"), script, str(path), str(backend.work / "tensorzero.url")]

    def listens_on(self, backend: Backend, port: int) -> int:
        path = backend.work / "tensorzero.url"
        return urlsplit(path.read_text()).port or 0 if path.exists() else 0


class Envoy(Peer):
    name = "envoy"
    does = "one thread; relays bytes, access log"

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        endpoint = "{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }} }}"
        path = backend.work / "envoy.yaml"
        path.write_text(
            fill(
                TEMPLATES / "envoy.yaml",
                PORT=str(port),
                LOG=str(backend.work / "envoy-access.log"),
                SERVERS=", ".join(endpoint.format(p) for p in backend.ports),
            )
        )
        program = str(self.home / "bin/envoy")
        return [
            program,
            "-c",
            str(path),
            "--concurrency",
            "1",
            "--log-level",
            "error",
            "--disable-hot-restart",
            "--file-flush-interval-msec",
            "200",
        ]

    def logs(self, backend: Backend) -> list[Path]:
        return [backend.work / "envoy-access.log"]
