"""What a row does to a call, by looking: it is sent odd but good requests, and both of its sides are compared.

The upstream of these calls is a slow one in Python that keeps what it is sent and answers with odd spaces.
"""

import http.client
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harness.gateways import Backend, Gateway, Running

MESSAGES = b'"messages":[{"role":"user","content":"caf\\u00e9  au lait"}]'
REQUEST = b'{ "model" : "%s",  "temperature" : 0.50, ' + MESSAGES + b"%s }"
USAGE = b'"usage" : {"prompt_tokens":987654, "completion_tokens":3,  "total_tokens":987657}'
ANSWER = (
    b'{ "id":"chatcmpl-1" , "object":"chat.completion", "created":1767225600,"model":"bench-model", "choices":'
    b'[{"index":0, "message":{"role":"assistant","content":"caf\\u00e9"} , "finish_reason":"stop"}], ' + USAGE + b" }"
)
CHUNK = (
    b'data: { "id":"chatcmpl-1" , "object":"chat.completion.chunk", "created":1767225600,"model":"bench-model",'
    b' "choices":[{"index":0, "delta":%s , "finish_reason":%s}]%s }\n\n'
)
EVENT = CHUNK % (b'{"content":"caf\\u00e9"}', b"null", b"")
STREAM = (
    CHUNK % (b'{"role":"assistant","content":""}', b"null", b"")
    + EVENT
    + CHUNK % (b"{}", b'"stop"', b"")
    + (CHUNK % (b"{}", b"null", b", " + USAGE)).replace(b'[{"index":0, "delta":{} , "finish_reason":null}]', b"[]")
    + b"data: [DONE]\n\n"
)
UNCHANGED, PATCHED, WRITTEN_ANEW = "unchanged", "fields patched", "written anew"
CALLS = 5


@dataclass(frozen=True)
class Seen:
    refuses_bad_key: bool
    refuses_bad_json: bool  # itself, without asking the upstream
    request: str
    answer: str
    event: str
    log_lines: float  # a call
    counts_tokens: bool  # the number that the upstream said is in its log or metrics

    def json(self) -> dict[str, Any]:
        return asdict(self)


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream_port = 0
    bodies: list[bytes]

    def log_message(self, *arguments: Any) -> None:
        return

    def do_GET(self) -> None:
        model = {"id": "bench-model-2026-01-01", "object": "model", "created": 1, "owned_by": "bench"}
        self.answer(json.dumps({"object": "list", "data": [model]}).encode())

    def do_POST(self) -> None:
        body = self.body()
        if b"bench:n" in body:  # the load client's call, by which the harness sees that the row serves
            self.answer(self.pass_on(body))
            return
        self.bodies.append(body)
        if re.search(rb'"stream"\s*:\s*true', body):
            self.answer(STREAM, "text/event-stream")
        else:
            self.answer(ANSWER)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def pass_on(self, body: bytes) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=10)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        return connection.getresponse().read()

    def answer(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def recorder(upstream_port: int) -> Iterator[tuple[int, list[bytes]]]:
    bodies: list[bytes] = []
    handler = type("Handler", (Recorder,), {"upstream_port": upstream_port, "bodies": bodies})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield int(server.server_address[1]), bodies
        server.shutdown()


def look(row: Gateway, backend: Backend) -> Seen:
    """`backend` is another's: only its first port and its directory are used."""
    work = backend.work / "probe"
    work.mkdir(exist_ok=True)
    with recorder(backend.ports[0]) as (port, bodies):
        mine = replace(backend, ports=(port,), models=1, keys=backend.keys[:1], work=work)
        with row.serve(mine) as gateway:
            ask = Asking(gateway, mine.keys[0])
            lines = log_lines(row, mine)
            answer = [ask.call() for _ in range(CALLS)][-1]
            request = bodies[-1] if bodies else b""
            stream = ask.call(stream=b', "stream":true, "stream_options":{"include_usage":true}')
            time.sleep(1.0)  # logs are written late
            per_call = (log_lines(row, mine) - lines) / (CALLS + 1)
            told = b"".join(path.read_bytes() for path in row.logs(mine) if path.exists()) + row.metrics().encode()
            return Seen(
                refuses_bad_key=ask.status(key="wrong") == 401,
                refuses_bad_json=ask.is_refused_here(bodies),
                request=compared(request, REQUEST % (b"bench/m0", b""), MESSAGES, b'"temperature" : 0.50'),
                answer=compared(
                    answer, ANSWER, b'{"role":"assistant","content":"caf\\u00e9"}', b'"choices":[{"index":0, '
                ),
                event=compared(stream, STREAM, b'{"content":"caf\\u00e9"}', b'"choices":[{"index":0, '),
                log_lines=per_call,
                counts_tokens=bool(re.search(rb"987[ ,_]?654|9\.87654e\+?0?5", told)),
            )


class Asking:
    def __init__(self, gateway: Running, key: str) -> None:
        self._port = gateway.port
        self._key = key
        given = dict(zip(gateway.client_options[::2], gateway.client_options[1::2], strict=True))
        self._path = given.get("--path", "/v1/chat/completions")
        self._model = given.get("--model", "bench/m0").replace("%u", "0").encode()
        self._header = given.get("--header", "")

    def ask(self, body: bytes, key: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or self._key}"}
        name, _, value = self._header.partition(": ")
        connection.request("POST", self._path, body, headers | ({name: value} if name else {}))
        return connection.getresponse()

    def call(self, stream: bytes = b"") -> bytes:
        return self.ask(REQUEST % (self._model, stream)).read()

    def status(self, key: str) -> int:
        return self.ask(REQUEST % (self._model, b""), key).status

    def is_refused_here(self, bodies: list[bytes]) -> bool:
        before = len(bodies)
        status = self.ask(b'{"model": "bench/m0", "messages": [').status
        return status >= 400 and len(bodies) == before


def compared(got: bytes, sent: bytes, *kept: bytes) -> str:
    if got == sent:
        return UNCHANGED
    if not got or b"caf" not in got:
        return "failed"
    return PATCHED if all(piece in got for piece in kept) else WRITTEN_ANEW


def log_lines(row: Gateway, backend: Backend) -> int:
    def count(path: Path) -> int:
        return path.read_bytes().count(b"\n") if path.exists() else 0

    return sum(map(count, row.logs(backend)))
