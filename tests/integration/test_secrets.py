"""Secrets and prompts are planted everywhere they may be, good and bad calls are made, and then everything that was
written or can be read from outside is searched: nothing is found.
"""

import asyncio
import base64
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from support.builders import ConfigBuilder
from support.client import Answer, Client, chat_body, exchange, request_bytes
from support.edge import Edge, until
from support.replies import (
    chat,
    chunked,
    contents,
    error_body,
    error_event,
    event,
    events,
    head,
    stream_head,
    whole_stream,
)
from support.scripted import Fin, ReadRequest, Rst, Script, Send, Stall, StartTls, Wait, reserve
from support.stage import Site

MODEL, TLS_MODEL = "canary/plain", "canary/tls"
OPS_PAGES = ("/", "/metrics", "/livez", "/readyz", "/readyz?verbose", "/nowhere")


def canary(name: str) -> str:
    return f"CANARY{name}" + "".join(f"{ord(letter):02x}" for letter in name[::-1])


SECRETS = {
    "key from a variable": canary("variable"),
    "key from a file": canary("file"),
    "key of a credential": canary("credential"),
    "header of a provider": canary("header"),
    "client's key": "sk-test-" + canary("client"),
    "a key nobody knows": "sk-test-" + canary("unknown"),
    "prompt": canary("prompt"),
    "answer": canary("answer"),
    "text of a provider's error": canary("detail"),
}


@dataclass
class Run:
    """One edgeproxy with planted secrets, and what its clients got from it."""

    edge: Edge
    plain: Site
    tls: Site
    ca: trustme.CA
    errors: list[Answer] = field(default_factory=list)

    async def call(self, script: Script, *, stream: bool = True, model: str = MODEL) -> Answer:
        site = self.tls if model == TLS_MODEL else self.plain
        body = chat_body(model, stream=stream, prompt=SECRETS["prompt"])
        async with site.plays(script):
            return await self.send(request_bytes(body, key=SECRETS["client's key"]))

    async def send(self, request: bytes) -> Answer:
        answer = await exchange(self.edge.api, request)
        if answer.status != 200:
            self.errors.append(answer)
        return answer

    async def leave_mid_stream(self) -> None:
        body = chat_body(MODEL, stream=True, prompt=SECRETS["prompt"])
        async with self.plain.plays([ReadRequest(), Send(stream_head() + chunked(contents())), Stall()]) as upstream:
            client = await Client.connect(self.edge.api)
            await client.send(request_bytes(body, key=SECRETS["client's key"]))
            await client.read_until(b"scripted")
            client.reset()
            await asyncio.wait_for(upstream.peers[0].gone.wait(), 5.0)


def build(folder: Path) -> Run:
    plain, tls, ca = Site("plain", reserve()), Site("tls", reserve()), trustme.CA()
    ca_file, key_file = folder / "ca.pem", folder / "key"
    ca.cert_pem.write_to_path(str(ca_file))
    key_file.write_text(SECRETS["key from a file"] + "\n")
    key_file.chmod(0o600)
    builder = ConfigBuilder()
    credentials = [
        {"name": "one", "api_key": "${PLANTED_KEY}"},
        {"name": "two", "api_key": SECRETS["key of a credential"]},
    ]
    headers = {"X-Planted": SECRETS["header of a provider"]}
    builder.provider("plain", plain.port, credentials=credentials, headers=headers)
    tls_options = {"api_key": f"${{file:{key_file}}}", "ca_file": str(ca_file)}
    builder.provider("tls", tls.port, scheme="https", host="localhost", **tls_options)
    builder.model(MODEL, {"plain": 1.0}).model(TLS_MODEL, {"tls": 1.0})
    builder.keys.append({"name": "planted", "key": "${PLANTED_CLIENT_KEY}"})
    environ = {
        "PLANTED_KEY": SECRETS["key from a variable"],
        "PLANTED_CLIENT_KEY": SECRETS["client's key"],
        "PYTHONASYNCIODEBUG": "1",
    }
    return Run(Edge(builder, folder, environ), plain, tls, ca)


async def good_calls(run: Run) -> None:
    words = (SECRETS["answer"], " and more")
    for stream in (True, False):
        assert (await run.call([chat(words)], stream=stream)).status == 200
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    run.ca.issue_cert("localhost").configure_cert(context)
    assert (await run.call([StartTls(context), chat(words)], model=TLS_MODEL)).status == 200


async def broken_calls(run: Run) -> None:
    detail = SECRETS["text of a provider's error"]
    echoed = f"{detail} {SECRETS['key from a variable']} {SECRETS['key of a credential']}"
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    scripts: Iterable[Script] = (
        [ReadRequest(), Send(error_body(500, echoed))],
        [ReadRequest(), Send(whole_stream([error_event(500, echoed)]))],
        [ReadRequest(), Send(whole_stream([event("{" + echoed)]))],
        [ReadRequest(), Send(head(200, "Content-Type: text/html") + echoed.encode()), Fin()],
        [ReadRequest(), Send(head(302, f"Location: http://{detail}/", "Content-Length: 0"))],
        [ReadRequest(), Send(f"HTTP/1.1 200 {echoed}\r\nBroken {echoed}\r\n\r\n".encode())],
        [ReadRequest(), Send(stream_head() + chunked(events()[:3])), Wait(gate), Rst()],
        [Rst()],
    )
    for script in scripts:
        await run.call(script)
        for _ in range(2):  # so that no breaker opens and every script is played
            assert (await run.call([chat()])).status == 200
    await run.leave_mid_stream()
    foreign = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(foreign)
    await run.call([StartTls(foreign), chat()], model=TLS_MODEL)
    await run.call([ReadRequest(), Send(error_body(401, f"Incorrect API key provided: {echoed}"))])


async def bad_requests(run: Run) -> None:
    key, prompt = SECRETS["client's key"], SECRETS["prompt"]
    good = request_bytes(chat_body(MODEL, prompt=prompt), key=key)
    bearer = f"Authorization: Bearer {key}".encode()
    for request in (
        request_bytes(chat_body(MODEL, prompt=prompt), key=SECRETS["a key nobody knows"]),
        request_bytes(chat_body(f"nobody/{MODEL}", prompt=prompt), key=key),
        request_bytes(chat_body(MODEL, prompt=prompt)[:-3], key=key),
        request_bytes(chat_body(MODEL, prompt=prompt, max_tokens=prompt), key=key),
        request_bytes(b'{"' + prompt.encode() + b'": \xff}', key=key),
        good.replace(bearer, bearer + b"\x01"),
        good.replace(b"Authorization:", b"Authorization :"),
        good.replace(b"HTTP/1.1", b"HTTP/9.9"),
        good.replace(b"Content-Length:", b"X-Padding: " + b"x" * 20_000 + b"\r\nContent-Length:"),
        good.replace(b"Content-Length: ", b"Content-Length: -"),
        good.replace(b"/v1/chat/completions", b"/v1/" + prompt.encode()),
    ):
        answer = await run.send(request)
        assert 400 <= answer.status < 500, request[:200]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Place → everything that can be read there after all those calls, and after the end."""
    run = build(tmp_path_factory.mktemp("edge"))
    try:
        run.edge.start()
        found = asyncio.run(provoke(run))
    finally:
        run.edge.stop()
        run.plain.sock.close()
        run.tls.sock.close()
    return found | {"stdout": run.edge.stdout.read_bytes(), "stderr": run.edge.stderr.read_bytes()}


async def provoke(run: Run) -> dict[str, bytes]:
    await good_calls(run)
    await bad_requests(run)
    await broken_calls(run)
    await until(lambda: run.edge.access_lines() or None)
    found = {}
    for page in OPS_PAGES:
        answer = await run.edge.get(page, ops=True, key=None)
        found[f"ops {page}"] = repr(answer.head).encode() + answer.body
    for path in ("/v1/models", f"/api/v1/models/{MODEL}/endpoints", "/api/v1/providers"):
        answer = await run.edge.get(path, key=SECRETS["client's key"])
        found[path] = repr(answer.head).encode() + answer.body
    for number, answer in enumerate(run.errors):
        found[f"error body {number}"] = repr(answer.head).encode() + answer.body
    return found | of_processes(run.edge)


def of_processes(edge: Edge) -> dict[str, bytes]:
    """What other users of the machine can see of the processes."""
    processes = {"supervisor": edge.pid, "worker": edge.worker}
    return {
        f"{name}'s {file}": readable(Path(f"/proc/{pid}/{file}"))
        for name, pid in processes.items()
        for file in ("environ", "cmdline")
    }


def readable(path: Path) -> bytes:
    """Nothing, where even we may not look."""
    try:
        return path.read_bytes()
    except PermissionError:
        return b""


def forms(secret: str) -> list[bytes]:
    """As it is, and as logs and pages like to encode it."""
    raw = secret.encode()
    return [raw, base64.b64encode(raw).rstrip(b"=")[:-1], raw.hex().encode(), secret[8:-4].encode()]


@pytest.mark.parametrize("secret", SECRETS)
def test_is_found_nowhere(written: dict[str, bytes], secret: str) -> None:
    places = [place for place, text in written.items() if any(form in text for form in forms(SECRETS[secret]))]
    assert places == []


def test_everything_was_searched(written: dict[str, bytes]) -> None:
    """The search would have found something: calls were told, pages were shown, errors were seen."""
    assert written["stdout"].count(b"generation_id") >= 10
    assert b"edgeproxy_requests_total" in written["ops /metrics"]
    assert MODEL.encode() in written["ops /"]
    assert sum(place.startswith("error body") for place in written) >= 15


def test_the_ca_file_is_not_shown(written: dict[str, bytes]) -> None:
    assert not any(b"BEGIN CERTIFICATE" in text for text in written.values())
