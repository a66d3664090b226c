"""healthcheck and reload against a real socket."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edgeproxy.cli.main import main

Captured = pytest.CaptureFixture[str]


class Node(BaseHTTPRequestHandler):
    """Answers by path; a terminal escape in its text must not reach the terminal."""

    def _answer(self) -> None:
        status, body = {
            "/readyz": (200, b"ok"),
            "/draining": (503, b"draining: \x1b[31m12 streams left"),
            "/-/reload": (200, b""),
            "/refused": (400, b"edgeproxy.yaml:1:1: unknown key"),
        }.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def node() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Node)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_ready_node_exits_0(node: str, capsys: Captured) -> None:
    assert main(["healthcheck", "--url", f"{node}/readyz"]) == 0
    assert capsys.readouterr().out == "ready\n"


def test_the_ops_address_is_asked_by_default(node: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPROXY__SERVER__OPS", node.replace("http://127.0.0.1", "0.0.0.0"))
    assert main(["healthcheck"]) == 0
    assert main(["reload"]) == 0
    assert capsys.readouterr().out == "ready\nreloaded\n"


def test_a_draining_node_exits_1_and_its_text_is_made_safe(node: str, capsys: Captured) -> None:
    assert main(["healthcheck", "--url", f"{node}/draining"]) == 1
    assert capsys.readouterr().err == "error: not ready: 503 draining:  [31m12 streams left\n"


def test_nobody_there_exits_1(node: str, capsys: Captured) -> None:
    assert main(["healthcheck", "--url", "http://127.0.0.1:1/readyz"]) == 1
    assert "no node answers there" in capsys.readouterr().err


def test_a_refused_reload_exits_1_with_the_reason(node: str, capsys: Captured) -> None:
    assert main(["reload", "--url", f"{node}/refused"]) == 1
    assert "the old configuration is kept: edgeproxy.yaml:1:1: unknown key" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/", "http://", "http://h:port/", "http://[::1/"])
def test_what_is_no_url_exits_2(url: str, capsys: Captured) -> None:
    assert main(["healthcheck", "--url", url]) == 2
    assert "not a URL" in capsys.readouterr().err
