"""The arithmetic and the generated files of the benchmarks: a wrong ratio is worse than none."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.control.config import load_text

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """`benchmarks` is no part of the distribution, so it is found only from the checkout."""
    monkeypatch.syspath_prepend(ROOT)


def client(done: int = 100, events: int = 0, failed: int = 0) -> dict[str, Any]:
    outcomes = {"done": done, "failed_before_commit": failed}
    return {
        "outcomes": outcomes,
        "events": events,
        "broken": 0,
        "first_failure": "",
        "elapsed_s": 1.0,
        "delay_us": {"p99": 1.0},
        "delay_moments_p99_us": [1.0],
    }


def measured(cpu_us: float, others: float = 0.0, **counts: int) -> Any:
    measure = importlib.import_module("benchmarks.versus.measure")
    return measure.Measured(client(**counts), int(cpu_us * 1000), others)


@pytest.fixture
def figures(tmp_path: Path) -> Any:
    journal = importlib.import_module("benchmarks.versus.journal").Journal(tmp_path / "journal", False, {})
    windows = importlib.import_module("benchmarks.versus.windows")
    for row, scale in (("nginx", 1.0), ("edgeproxy", 1.5)):
        for window, calls, cost_us in (
            (windows.CALLS, 100, 2000.0),
            (windows.EVENTS, 10, 10 * (90.0 + 64 * 10)),
            (windows.MORE_EVENTS, 10, 10 * (90.0 + 256 * 10)),
        ):
            key = journal.window_key(row, window.name, 0)
            journal.put(key, measured(cost_us * scale, done=calls).json())
    return importlib.import_module("benchmarks.versus.figures").Figures(journal)


def test_an_event_costs_what_a_longer_stream_costs_beyond_a_shorter_one(figures: Any) -> None:
    assert figures.per_event_us("nginx") == [10.0]


def test_the_bar_is_in_ratios_to_nginx_in_the_same_run(figures: Any) -> None:
    found = importlib.import_module("benchmarks.versus.checks").checks(figures, 2900.0, None)
    bar = {(one.name, one.what): one for one in found}
    per_event, per_call = bar["P1", "CPU per event, nginx = 1"], bar["P2", "CPU per call, nginx = 1"]
    assert (per_event.value, per_event.verdict) == (1.5, "**missed**")
    assert (per_call.value, per_call.verdict) == (1.5, "held")


def test_each_measure_of_the_bar_says_held_missed_or_not_measured(figures: Any) -> None:
    found = importlib.import_module("benchmarks.versus.checks").checks(figures, 2900.0, None)
    assert {one.name for one in found} == {f"P{number}" for number in range(1, 13)}
    assert {one.verdict for one in found} == {"goal", "held", "**missed**", "not measured"}


def test_a_run_that_was_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = importlib.import_module("benchmarks.versus.journal").Journal
    journal(tmp_path / "journal", False, {"rounds": 3}).put(journal.window_key("nginx", "calls", 0), None)
    again = journal(tmp_path / "journal", True, {"rounds": 3})
    assert journal.window_key("nginx", "calls", 0) in again
    with pytest.raises(SystemExit):
        journal(tmp_path / "journal", True, {"rounds": 2})


def test_one_failed_call_voids_a_window() -> None:
    assert measured(1.0, failed=1).why_void(True)


def test_a_noisy_machine_voids_a_window_unless_forced() -> None:
    one = measured(1.0, others=0.2)
    assert (bool(one.why_void(False)), bool(one.why_void(True))) == (True, False)


def test_the_generated_configuration_is_good() -> None:
    module = importlib.import_module("benchmarks.harness.edgeproxy_config")
    text = module.edgeproxy_config(
        port=8080,
        ops_port=8081,
        upstream_urls=("http://127.0.0.1:9001", "http://127.0.0.1:9002"),
        models=["bench/m0", "bench/m1"],
        key_digests=["0" * 64],
        access_log=Path("/tmp/access.log"),
    )
    snapshot = load_text(text.encode(), "bench.yaml", environ={}).snapshot
    assert [len(model.endpoints) for model in snapshot.models] == [2, 2]


def test_the_load_run_uses_the_shipped_haproxy_configuration() -> None:
    module = importlib.import_module("benchmarks.load.run")
    text = module.haproxy_config(1001, 1002, 1003)
    assert "bind 127.0.0.1:1001" in text
    assert "server node1 127.0.0.1:1002" in text
    assert "check port 1003" in text
    assert "node2" not in text


def test_a_tool_writes_its_own_section_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = importlib.import_module("benchmarks.harness.results")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    for name, body in (("delay", "first"), ("versus", "other"), ("delay", "second")):
        results.write_section(name, body)
    text = (tmp_path / "RESULTS.md").read_text()
    assert ("first" in text, "second" in text, "other" in text) == (False, True, True)


def test_compiled_functions_have_readable_names() -> None:
    phases = importlib.import_module("benchmarks.budget.phases")
    names = {
        "__pyx_f_9edgeproxy_5_core_5relay_5Relay_deliver": "_core/relay:Relay.deliver",
        "__pyx_pw_9edgeproxy_5_core_8upstream_18UpstreamConnection_17data_received": (
            "_core/upstream:UpstreamConnection.data_received"
        ),
        "__pyx_f_9edgeproxy_5_core_4text_skip_string": "_core/text:skip_string",
        "__pyx_f_9edgeproxy_5proxy_4call_4Call_finish": "edgeproxy/proxy/call.py:Call.finish",
        "__pyx_gb_9edgeproxy_5proxy_8pipeline_2generator": "edgeproxy/proxy/pipeline.py:generator",
        "uv__io_poll": "uv__io_poll",
    }
    assert {symbol: phases.compiled(symbol) for symbol in names} == names


def test_an_instruction_counts_for_the_innermost_phase() -> None:
    phases = importlib.import_module("benchmarks.budget.phases")
    names = phases.Names(
        f"1000\t{ROOT}/edgeproxy/proxy/pipeline.py\tserve\n1001\t{ROOT}/edgeproxy/proxy/decode.py\tdecode"
    )
    stacks = {("malloc", "frame_1001", "_PyEval_EvalFrameDefault", "frame_1000"): 5, ("malloc", "frame_1000"): 2}
    assert phases.by_phase(stacks, names) == {"decode": 5, "pipeline": 2}


def test_costs_of_calls_are_left_to_the_called_function(tmp_path: Path) -> None:
    callgrind = importlib.import_module("benchmarks.budget.callgrind")
    dump = tmp_path / "callgrind.out"
    dump.write_text("fn=(1) main\n0 3\ncfn=(2) inner'main\ncalls=4 0\n0 700\n\nfn=(2)\n0 700\n")
    counts = callgrind.read(dump)
    assert counts.own == {("main",): 3, ("inner", "main"): 700}
    assert counts.times == {("inner", "main"): 4}


@pytest.mark.parametrize("tool", ["versus", "budget", "load.delay", "load.failover", "load.soak"])
def test_each_tool_says_how_it_is_used(tool: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{tool}", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "usage" in told.stdout
