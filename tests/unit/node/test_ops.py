"""The ops listener: health, metrics, reload and the console answer as operators and tools expect."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge
from support.live import FakeTable, catalog, live_of

from edgeproxy.node.ops import Check, Readiness, ops_app
from edgeproxy.telemetry.collector import WorkerFacts
from edgeproxy.telemetry.exposition import MetricsPage
from edgeproxy.telemetry.live import LiveView

Client = TestClient[web.Request, web.Application]


READY = Readiness(checks=(Check("config", True),))


@dataclass
class FakeNode:
    state: Readiness = READY
    problems: list[str] = field(default_factory=list)
    reloads: int = 0
    replaced: int = 0

    def readiness(self) -> Readiness:
        return self.state

    def workers(self) -> Sequence[WorkerFacts]:
        return (WorkerFacts("0", True), WorkerFacts("1", False))

    def config_hash(self) -> str:
        return "abc"

    def live(self) -> LiveView:
        return live_of(catalog(), FakeTable())

    async def reload(self) -> Sequence[str]:
        self.reloads += 1
        return self.problems

    async def replace(self) -> Sequence[str]:
        self.replaced += 1
        return self.problems


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest_asyncio.fixture
async def client(node: FakeNode) -> AsyncIterator[Client]:
    registry = CollectorRegistry()
    Gauge("edgeproxy_draining", "1 while draining.", registry=registry)
    async with TestClient(TestServer(ops_app(node, MetricsPage(registry), node.reload, node.replace))) as client:
        yield client


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/health/liveliness", "/health/liveness"])
async def test_liveness_asks_nothing_of_the_node(client: Client, node: FakeNode, path: str) -> None:
    node.state = Readiness(is_draining=True)
    assert (await client.get(path)).status == 200


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [
        (Readiness(checks=(Check("workers", True),)), 200, "ready"),
        (Readiness(checks=(Check("ledger", False, is_required=False),)), 200, "degraded"),
        (Readiness(checks=(Check("workers", False),)), 503, "not_ready"),
        (Readiness(is_draining=True), 503, "shutting_down"),
    ],
)
@pytest.mark.parametrize("path", ["/readyz", "/health/readiness"])
async def test_readiness(client: Client, node: FakeNode, path: str, state: Readiness, status: int, word: str) -> None:
    node.state = state
    response = await client.get(path)
    assert (response.status, await response.json()) == (status, {"status": word})


async def test_verbose_readiness_names_the_checks(client: Client, node: FakeNode) -> None:
    node.state = Readiness(checks=(Check("ledger", False, "not reachable", is_required=False),))
    answer = await (await client.get("/readyz?verbose")).json()
    assert answer["checks"] == [{"name": "ledger", "ok": False, "required": False, "detail": "not reachable"}]


async def test_metrics(client: Client) -> None:
    response = await client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "edgeproxy_draining 0.0" in await response.text()


async def test_a_reload_that_is_applied(client: Client, node: FakeNode) -> None:
    response = await client.post("/-/reload")
    assert (response.status, await response.json()) == (200, {"status": "reloaded", "config_hash": "abc"})


async def test_a_reload_that_is_refused_says_why(client: Client, node: FakeNode) -> None:
    node.problems = ["edgeproxy.yaml:3:1: unknown key"]
    response = await client.post("/-/reload")
    assert (response.status, await response.json()) == (400, {"status": "refused", "problems": node.problems})


async def test_workers_can_be_replaced_too(client: Client, node: FakeNode) -> None:
    response = await client.post("/-/reload?workers")
    assert (response.status, (await response.json())["status"]) == (200, "replaced")
    assert (node.reloads, node.replaced) == (0, 1)


async def test_a_page_of_another_site_cannot_reload(client: Client, node: FakeNode) -> None:
    response = await client.post("/-/reload", headers={"Origin": "https://evil.example"})
    assert (response.status, node.reloads) == (403, 0)


async def test_a_reload_is_a_post(client: Client, node: FakeNode) -> None:
    assert ((await client.get("/-/reload")).status, node.reloads) == (405, 0)


async def test_the_console_under_a_strict_policy(client: Client) -> None:
    response = await client.get("/")
    assert response.content_type == "text/html"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "a/one" in await response.text()


async def test_the_fragment_is_the_changing_part_only(client: Client) -> None:
    text = await (await client.get("/?fragment=1&q=two")).text()
    assert "<html" not in text
    assert "b/two" in text
    assert "a/one" not in text


@pytest.mark.parametrize(
    ("name", "kind"), [("console.css", "text/css"), ("console.js", "text/javascript"), ("icon.svg", "image/svg+xml")]
)
async def test_static_files(client: Client, name: str, kind: str) -> None:
    response = await client.get(f"/static/{name}")
    assert (response.status, response.content_type) == (200, kind)


@pytest.mark.parametrize("name", ["other.css", "../handlers.py", "..%2fhandlers.py", "consolexcss"])
async def test_no_other_file_is_served(client: Client, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status == 404


async def test_head_of_the_root(client: Client) -> None:
    assert (await client.head("/")).status == 200
