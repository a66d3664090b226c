"""The dashboard shows metrics that a node exports, in five rows that do not overlap."""

import importlib.util
import json
import sys
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.promql import wrong_with

FOLDER = Path(__file__).parents[3] / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads(FOLDER.joinpath("edgeproxy.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboard", FOLDER / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    sys.modules["dashboard"] = module
    spec.loader.exec_module(module)
    return module


def test_the_file_is_what_its_script_writes() -> None:
    assert FOLDER.joinpath("edgeproxy.json").read_text() == generator().text()


def test_the_rows_are_the_five_that_an_operator_reads_from_top_to_bottom() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Now", "Users", "Providers", "Tokens and money", "Gateway"]


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_an_expression_asks_for_what_is_exported(expression: str) -> None:
    assert wrong_with(expression.replace("$__rate_interval", "5m")) == []


def test_ids_are_unique() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_the_datasource_is_a_variable_everywhere() -> None:
    text = json.dumps(DASHBOARD)
    assert text.count('"uid": "${datasource}"') == text.count('"type": "prometheus"')
    assert DASHBOARD["templating"]["list"][0]["name"] == "datasource"


def test_panels_do_not_overlap() -> None:
    def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
        return (
            a["x"] < b["x"] + b["w"]
            and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"]
            and b["y"] < a["y"] + a["h"]
        )

    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_every_label_in_a_legend_is_kept_by_its_expression() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            for label in target["legendFormat"].split("{{")[1:]:
                name = label.split("}}")[0]
                assert name in target["expr"] or " by " not in target["expr"], (panel["title"], name)


def test_the_schema_is_the_classic_one() -> None:
    assert DASHBOARD["schemaVersion"] == 39
