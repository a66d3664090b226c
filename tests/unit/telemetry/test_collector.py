"""`/metrics`: right sums, a bounded number of series, and promtool's approval."""

import mmap
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.live import FakeTable, catalog, live_of

from edgeproxy._core.codes import SCOPE_ENDPOINT, SCOPE_HOST, STATE_NAMES
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.domain.usage import Usage
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.collector import LedgerFacts, NodeCollector, WorkerFacts, registry_of
from edgeproxy.telemetry.exposition import MetricsPage
from edgeproxy.telemetry.layout import Directory, Layout
from edgeproxy.telemetry.live import LiveView
from edgeproxy.telemetry.meters import Meters, size_of
from edgeproxy.telemetry.process import ProcessUsage


@dataclass
class Facts:
    snapshot: Snapshot = field(default_factory=catalog)
    table: FakeTable = field(default_factory=FakeTable)
    running: Sequence[WorkerFacts] = (WorkerFacts("0", True, ProcessUsage(1.5, 4096, 7)), WorkerFacts("1", False))
    books: LedgerFacts | None = None

    def __post_init__(self) -> None:
        self.directory = Directory(self.snapshot)

    def layout(self) -> Layout:
        return self.directory.assign(self.snapshot)

    def live(self) -> LiveView:
        return live_of(self.snapshot, self.table)

    def workers(self) -> Sequence[WorkerFacts]:
        return self.running

    def is_draining(self) -> bool:
        return False

    def memory_pressure(self) -> int:
        return 0

    def config_hash(self) -> str:
        return "abc"

    def last_reload(self) -> tuple[bool, float]:
        return True, 1.7e9

    def ledger(self) -> LedgerFacts | None:
        return self.books

    def build(self) -> tuple[str, str, str]:
        return "0.1.0", "3.11.7", "unknown"


class Node:
    def __init__(self, facts: Facts | None = None, max_pairs: int = 300) -> None:
        self.facts = facts or Facts()
        layout = self.facts.layout()
        memory = mmap.mmap(-1, size_of(2, layout))
        self.workers = [Meters(memory, 2, worker, layout) for worker in range(2)]
        self.collector = NodeCollector(memory, 2, self.facts, max_pairs)
        self.registry: CollectorRegistry = registry_of(self.collector)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, tuple(sorted(labels.items()))))


def use_everything(node: Node) -> None:
    for meters in node.workers:
        pair, provider, chat = meters.pair("a/one", "p"), meters.provider("p"), meters.endpoint("chat")
        chat.began()
        chat.body(2000)
        chat.rejected(m.Refusal.AUTH)
        chat.disconnected(m.Phase.STREAMING)
        chat.overhead(0.0003)
        chat.ended(200, True, 2.0)
        pair.picked(m.Pick.PRICE)
        pair.attempt(m.Outcome.OK)
        pair.fell_back(m.UpstreamFault.STATUS_5XX)
        pair.first_token(0.03)
        pair.settled(Usage(10, 20, 1, 2, 3), Charge(0, 0, 12000, 12600), 0.02)
        provider.failed(m.UpstreamFault.OTHER)
        provider.first_byte(0.02)
        provider.usage_estimated()
        provider.connections(1, 2)
        provider.dialled(3, 1)
        provider.renewals_failed(1)
        provider.possible_duplicate()
        provider.empty_answer()
        provider.broken_stream()
        meters.node.stream_opened()
        meters.loop_lag(0.2)
        meters.node.budget_exhausted()
        meters.node.poisoned()
        meters.node.internal_error()


def test_every_declared_metric_is_exported() -> None:
    node = Node(Facts(books=LedgerFacts(1, 0.5, {"ok": 3})))
    use_everything(node)
    seen = {name for name, _ in node.samples()}
    for metric in m.ALL:
        suffix = {"counter": "_total", "gauge": "", "histogram": "_bucket"}[metric.kind]
        assert metric.name + suffix in seen


def test_counters_are_summed_over_workers() -> None:
    node = Node()
    use_everything(node)
    pair = {"model": "a/one", "provider": "p"}
    assert node.value("edgeproxy_tokens_total", **pair, type="output") == 40
    assert node.value("edgeproxy_cost_usd_total", **pair, side="billed") == 0.0000252
    assert node.value("edgeproxy_upstream_requests_total", **pair, outcome="ok") == 2
    assert node.value("edgeproxy_requests_total", endpoint="chat", status="2xx", stream="true") == 2
    assert node.value("edgeproxy_upstream_connections", provider="p", state="busy") == 4
    assert node.value("edgeproxy_upstream_dials_total", provider="p", outcome="ok") == 6
    assert node.value("edgeproxy_name_renewals_failed_total", provider="p") == 2


def test_a_histogram_is_cumulative_and_its_sum_and_count_are_right() -> None:
    node = Node()
    for value in (0.0005, 0.03, 0.03, 100.0):
        node.workers[0].pair("a/one", "p").first_token(value)
    pair = {"model": "a/one", "provider": "p"}
    name = "edgeproxy_time_to_first_token_seconds"
    bounds = ("0.001", "0.02", "0.04", "60.0", "+Inf")
    assert [node.value(f"{name}_bucket", **pair, le=le) for le in bounds] == [1, 1, 3, 3, 4]
    assert node.value(f"{name}_count", **pair) == 4
    assert node.value(f"{name}_sum", **pair) == pytest.approx(100.0605)


def test_random_models_make_no_series() -> None:
    node = Node()
    use_everything(node)
    node.workers[0].pair("random", "p").attempt(m.Outcome.ERROR)
    before = set(node.samples())
    for index in range(10_000):
        node.workers[index % 2].pair(f"random-{index}", "p").attempt(m.Outcome.ERROR)
        node.workers[index % 2].endpoint(f"/random/{index}").rejected(m.Refusal.NO_MODEL)
    assert set(node.samples()) == before
    assert node.value("edgeproxy_upstream_requests_total", model="other", provider="p", outcome="error") == 10_001


def test_pairs_beyond_the_limit_are_folded_for_good() -> None:
    node = Node(max_pairs=1)
    node.workers[0].pair("a/one", "p").attempt(m.Outcome.OK)
    node.samples()
    node.workers[0].pair("a/one", "q").attempt(m.Outcome.OK)
    node.workers[0].pair("b/two", "r").attempt(m.Outcome.OK)
    assert node.value("edgeproxy_upstream_requests_total", model="other", provider="q", outcome="ok") == 1
    assert node.value("edgeproxy_upstream_requests_total", model="a/one", provider="q", outcome="ok") is None
    assert node.value("edgeproxy_metrics_folded_pairs") == 2


def test_the_breaker_has_one_series_for_each_state() -> None:
    node = Node(Facts(table=FakeTable(states={(SCOPE_ENDPOINT, 0): STATE_NAMES.index("half_open")})))
    pair = {"model": "a/one", "provider": "p"}
    values = {state: node.value("edgeproxy_breaker_state", **pair, state=state) for state in m.BREAKER_STATES}
    assert values == {state: float(state == "half_open") for state in m.BREAKER_STATES}


@pytest.mark.parametrize("state", ["forced_open", "forced_closed"])
def test_what_an_operator_forced_is_told(state: str) -> None:
    node = Node(Facts(table=FakeTable(states={(SCOPE_HOST, 2): STATE_NAMES.index(state)})))
    node.workers[0].pair("b/two", "r").attempt(m.Outcome.OK)
    assert node.value("edgeproxy_breaker_state", model="b/two", provider="r", state="forced") == 1


def test_transitions_never_fall_when_a_reload_releases_slots() -> None:
    table = FakeTable(entered={(SCOPE_HOST, 0): [0, 5, 0, 0, 0, 0, 0, 0]})
    node = Node(Facts(table=table))
    node.samples()
    table.entered[SCOPE_HOST, 0] = [0, 1, 0, 0, 0, 0, 0, 0]
    assert node.value("edgeproxy_breaker_transitions_total", provider="p", state="open") == 6


def test_a_dead_worker_leaves_nothing_in_flight() -> None:
    node = Node()
    for meters in node.workers:
        meters.node.stream_opened()
        meters.endpoint("chat").began()
    node.collector.forget_worker(1)
    assert node.value("edgeproxy_streams_in_flight") == 1
    assert node.value("edgeproxy_requests_in_flight", endpoint="chat") == 1


def test_a_gauge_at_zero_is_still_told() -> None:
    node = Node()
    node.workers[0].provider("p").failed(m.UpstreamFault.CUT)
    assert node.value("edgeproxy_upstream_connections", provider="p", state="idle") == 0
    assert node.value("edgeproxy_upstream_connections", provider="q", state="idle") is None


def test_workers_and_build() -> None:
    node = Node()
    assert (node.value("edgeproxy_worker_up", worker="0"), node.value("edgeproxy_worker_up", worker="1")) == (1, 0)
    assert node.value("edgeproxy_build_info", version="0.1.0", python="3.11.7", revision="unknown") == 1
    assert node.value("edgeproxy_config_info", hash="abc") == 1
    assert "_created" not in node.text()


async def test_the_page_speaks_openmetrics_to_who_asks_for_it() -> None:
    page = MetricsPage(Node().registry)
    plain, plain_type = await page.render("")
    openmetrics, open_type = await page.render("application/openmetrics-text; version=1.0.0")
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert open_type.startswith("application/openmetrics-text")
    assert openmetrics.endswith(b"# EOF\n")
    assert not plain.endswith(b"# EOF\n")


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool is missing: install Debian's prometheus"
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    node = Node(Facts(books=LedgerFacts(1, 0.5, {"ok": 3})))
    use_everything(node)
    ours = "\n".join(line for line in node.text().splitlines() if "edgeproxy_" in line) + "\n"
    result = subprocess.run([promtool, "check", "metrics"], input=ours, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
