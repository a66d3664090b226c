"""The alert rules and the scrape configuration are right, and speak of metrics that a node exports."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.promql import wrong_with

FOLDER = Path(__file__).parents[3] / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load(FOLDER.joinpath("rules.yml").read_text())["groups"][0]["rules"]
TESTED = {
    case["alertname"]
    for test in yaml.safe_load(FOLDER.joinpath("rules_test.yml").read_text())["tests"]
    for case in test["alert_rule_test"]
}
PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: install prometheus")


@PROMTOOL
@pytest.mark.parametrize(
    "arguments",
    ["check config prometheus.yml", "check rules --lint=all --lint-fatal rules.yml", "test rules rules_test.yml"],
)
def test_promtool_finds_no_fault(arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_is_exported(rule: dict[str, Any]) -> None:
    assert wrong_with(rule["expr"]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_a_severity_a_summary_and_a_test_of_its_own(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["alert"] in TESTED


@pytest.mark.parametrize(
    "expression",
    [
        "edgeproxy_no_such_metric",
        'edgeproxy_requests_total{status="6xx"}',
        'edgeproxy_requests_total{key="k"}',
        "sum by (organization) (edgeproxy_requests_total)",
        'edgeproxy_breaker_state{state=~"open|ajar"}',
    ],
)
def test_the_check_itself_sees_a_wrong_name(expression: str) -> None:
    assert wrong_with(expression)
