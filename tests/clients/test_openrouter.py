"""The OpenRouter SDKs, each in its own environment, against `/api/v1`: what their strict types accept is right."""

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.builders import KEY, ConfigBuilder
from support.checks import FULL_PRICE, TEXT
from support.doors import BOTH
from support.edge import Edge
from support.environments import interpreter
from support.replies import PROMPT_TOKENS, WORDS, chat
from support.scripted import reserve
from support.stage import Site

HERE = Path(__file__).parent
MODEL = "author/slug"
SESSION_S = 60.0


async def run_session(python: Path, folder: Path, door: str) -> dict[str, Any]:
    site = Site("scripted", reserve())
    builder = ConfigBuilder().provider(site.name, site.port).model(MODEL, {site.name: 1.0})
    builder.server.update(door=door)
    with Edge(builder, folder) as edge:
        async with site.plays([chat()]):
            base_url = f"http://127.0.0.1:{edge.api[1]}/api/v1"
            program = await asyncio.create_subprocess_exec(
                *(str(python), str(HERE / "openrouter_session.py"), base_url, MODEL),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "OPENROUTER_API_KEY": KEY},
            )
            said, complained = await asyncio.wait_for(program.communicate(), SESSION_S)
    site.sock.close()
    assert program.returncode == 0, complained.decode()[-3000:]
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.fixture(scope="module", params=itertools.product(["1.3.84", "0.11.46"], BOTH), ids="-".join)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that one SDK did and saw, through one door."""
    version, door = request.param
    lock = HERE / f"requirements-openrouter-{version}.txt"
    python = interpreter(f"openrouter-{version}", lock=lock)
    return asyncio.run(run_session(python, tmp_path_factory.mktemp("edge"), door))


def test_a_whole_answer(session: dict[str, Any]) -> None:
    answer = session["chat"]
    assert answer["choices"][0]["message"]["content"] == TEXT
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["model"] == MODEL
    assert answer["id"].startswith("gen-")


def test_a_stream(session: dict[str, Any]) -> None:
    chunks = session["stream"]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == TEXT
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}


def test_usage_and_cost_come_unasked(session: dict[str, Any]) -> None:
    for usage in (session["chat"]["usage"], session["stream"][-1]["usage"]):
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (PROMPT_TOKENS, len(WORDS))
        assert usage["cost"] == pytest.approx(FULL_PRICE, abs=1e-9)


def test_the_list_of_models(session: dict[str, Any]) -> None:
    (model,) = [each for each in session["models"]["data"] if each["id"] == MODEL]
    assert float(model["pricing"]["completion"]) == 0.000002


def test_one_model(session: dict[str, Any]) -> None:
    assert session["model"]["data"]["id"] == MODEL


def test_the_endpoints_of_a_model(session: dict[str, Any]) -> None:
    (endpoint,) = session["endpoints"]["data"]["endpoints"]
    assert endpoint["tag"] == "scripted"


def test_the_providers(session: dict[str, Any]) -> None:
    assert [each["slug"] for each in session["providers"]["data"]] == ["scripted"]


def test_an_unknown_model_is_the_sdks_own_error_class(session: dict[str, Any]) -> None:
    assert session["unknown"]["class"] == "NotFoundResponseError"
    assert session["unknown"]["status"] == 404
