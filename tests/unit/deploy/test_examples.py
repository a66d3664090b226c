"""The configurations that ship are ones that a node takes."""

from pathlib import Path

import pytest

from edgeproxy.control.config import load_config

DEPLOY = Path(__file__).parents[3] / "deploy"
VARIABLES = {"OPENAI_API_KEY": "sk-" + "o" * 40, "EDGEPROXY_KEY": "sk-edge-example-" + "e" * 32}


@pytest.mark.parametrize("name", ["edgeproxy.yaml", "kubernetes/edgeproxy.yaml"])
def test_an_example_is_valid(name: str) -> None:
    loaded = load_config(DEPLOY / name, environ=VARIABLES)
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", ["edgeproxy.yaml", "kubernetes/edgeproxy.yaml"])
def test_an_example_listens_where_its_container_publishes(name: str) -> None:
    server = load_config(DEPLOY / name, environ=VARIABLES).settings.server
    assert (server.listen.port, server.ops.port) == (8080, 8081)


@pytest.mark.parametrize("name", ["edgeproxy.yaml", "kubernetes/edgeproxy.yaml"])
def test_an_example_holds_no_secret(name: str) -> None:
    used = load_config(DEPLOY / name, environ=VARIABLES).secret_variables
    assert used == set(VARIABLES)
