"""`up` and `serve` hand the application settings, a snapshot, a reload and a banner."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.configs import ENVIRON, GOOD

from edgeproxy.cli import serving
from edgeproxy.cli.main import main
from edgeproxy.control.config import Address, ConfigRejected, Settings
from edgeproxy.control.keys import digest
from edgeproxy.control.known import KNOWN
from edgeproxy.control.watch import Watch
from edgeproxy.domain.snapshot import Snapshot

Captured = pytest.CaptureFixture[str]
CANARY = "sk-canary-serving-44"


@dataclass
class Handed:
    """What the application was given, instead of running it."""

    settings: Settings
    snapshot: Snapshot
    reload: Callable[[], tuple[Settings, Snapshot]]
    banner: Callable[..., None]
    watch: Watch | None = None


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in KNOWN:
        for name in (*known.variables, known.base_url_variable):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.delenv("OLLAMA_HOST", raising=False)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[Handed]:
    taken: list[Handed] = []

    def run(*arguments: Any) -> int:
        taken.append(Handed(*arguments))
        return 0

    monkeypatch.setattr(serving, "run", run)
    return taken


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def banner_of(handed: Handed, capsys: Captured) -> str:
    handed.banner((Address("127.0.0.1", 8080), Address("127.0.0.1", 8081)))
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_up_without_any_key_serves_echo_and_says_so(handed: list[Handed], capsys: Captured) -> None:
    assert main(["up", "--port", "0", "--ops-port", "0"]) == 0
    text = banner_of(handed[0], capsys)
    assert "No provider key found. Using the built-in model edgeproxy/echo, so you can try everything." in text
    assert "hint: export OPENAI_API_KEY=" in text
    assert '"model":"edgeproxy/echo"' in text
    assert "Ctrl-C stops" in text


def test_the_key_that_is_printed_is_the_key_that_is_let_in(handed: list[Handed], capsys: Captured) -> None:
    main(["up", "--port", "0", "--ops-port", "0"])
    (key,) = set(re.findall(r"sk-edge-v1-[0-9a-f]+", banner_of(handed[0], capsys)))
    assert [one.sha256 for one in handed[0].snapshot.keys] == [digest(key)]
    assert [one.sha256 for one in handed[0].reload()[1].keys] == [digest(key)]


def test_up_listens_where_the_flags_say(handed: list[Handed]) -> None:
    main(["up", "--host", "127.0.0.1", "--port", "0", "--ops-port", "0"])
    server = handed[0].settings.server
    assert (server.listen, server.ops) == (Address("127.0.0.1", 0), Address("127.0.0.1", 0))


def test_a_provider_that_does_not_answer_is_shown_and_its_key_is_not(
    handed: list[Handed], capsys: Captured, monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        main(["up", "--port", "0", "--ops-port", "0"])
    text = banner_of(handed[0], capsys)
    assert "OPENAI_API_KEY  cannot connect" in text
    assert CANARY not in text
    assert "OPENAI_API_KEY" not in os.environ


def test_an_address_in_use_is_an_error_with_a_way_out(handed: list[Handed], capsys: Captured, taken_port: int) -> None:
    assert main(["up", "--port", str(taken_port), "--ops-port", "0"]) == 1
    other = taken_port + 10 if taken_port <= 65_525 else taken_port - 10
    assert capsys.readouterr().err == (
        f"error: cannot listen on 127.0.0.1:{taken_port}: address in use\nhint: edgeproxy up --port {other}\n"
    )
    assert handed == []


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "edgeproxy.yaml"
    path.write_text(GOOD.replace("8080", "0").replace("8081", "0"))
    return path


def test_serve_hands_over_what_the_file_says(handed: list[Handed], config: Path, capsys: Captured) -> None:
    assert main(["serve", "--config", str(config), "--listen", "127.0.0.2:0"]) == 0
    assert handed[0].settings.server.listen == Address("127.0.0.2", 0)
    assert [model.id for model in handed[0].snapshot.models] == ["author/slug"]
    assert "1 models, 2 providers" in banner_of(handed[0], capsys)


def test_secrets_leave_the_environment_and_a_reload_still_has_them(handed: list[Handed], config: Path) -> None:
    main(["serve", "--config", str(config)])
    assert not set(ENVIRON) & set(os.environ)
    secret = handed[0].reload()[1].models[0].endpoints[0].lanes[0].secret
    assert secret is not None
    assert secret.reveal() == ENVIRON["ALPHA_KEY"]


def test_a_reload_reads_the_file_again_and_refuses_a_bad_one(handed: list[Handed], config: Path) -> None:
    main(["serve", "--config", str(config)])
    config.write_text(config.read_text().replace("attempts: 2", "attempts: 3"))
    assert handed[0].reload()[0].routing.attempts == 3
    config.write_text("nonsense: [")
    with pytest.raises(ConfigRejected):
        handed[0].reload()


def test_serve_refuses_a_bad_file_with_exit_1(handed: list[Handed], config: Path, capsys: Captured) -> None:
    config.write_text("routng: 1")
    assert main(["serve", "--config", str(config)]) == 1
    assert "unknown key `routng`" in capsys.readouterr().err
    assert handed == []


def test_a_provider_that_cannot_be_asked_is_a_warning(handed: list[Handed], config: Path, capsys: Captured) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        text = config.read_text().replace("http://127.0.0.1:9101/v1", f"http://127.0.0.1:{port}/v1\n    discover: true")
        config.write_text(text)
        assert main(["serve", "--config", str(config)]) == 0
    assert "warning: alpha cannot connect: its models are left out" in capsys.readouterr().err
    assert [model.id for model in handed[0].snapshot.models] == ["author/slug"]
