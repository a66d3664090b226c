"""U44–U46: handshakes that hang, certificates that prove nothing, and sessions that are cut."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.builders import FIRST, KEY, LAST, TIMEOUTS, ConfigBuilder
from support.checks import HOST_LIMIT, ends_in_error, is_typed_error, is_whole_stream
from support.edge import Edge, until
from support.replies import chat, chunked, completion, contents, eof_head, json_body, stream_head
from support.scripted import Cut, Fin, ReadRequest, Script, Send, Stall, StartTls, Wait, reserve
from support.stage import Lot, Site

PROVIDER_KEY = "provider-key-for-tls"
HOST = "localhost"


@dataclass
class Tls:
    """An edgeproxy that trusts one CA, and lots whose providers speak TLS."""

    edge: Edge
    lots: list[Lot]
    trusted: trustme.CA

    def context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    @property
    def good(self) -> StartTls:
        return StartTls(self.context(self.trusted.issue_cert(HOST)))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Tls]:
    folder, trusted, builder = tmp_path_factory.mktemp("tls"), trustme.CA(), ConfigBuilder()
    builder.server.update(server)
    ca_file = folder / "ca.pem"
    trusted.cert_pem.write_to_path(str(ca_file))
    pairs = [(Site(f"a{n}", reserve()), Site(f"b{n}", reserve())) for n in range(36)]
    for number, pair in enumerate(pairs):
        for site in pair:
            options = {"ca_file": str(ca_file), "api_key": PROVIDER_KEY, "scheme": "https", "host": HOST}
            builder.provider(site.name, site.port, **options)
        builder.model(f"lot/pair-{number}", {pair[0].name: FIRST, pair[1].name: LAST})
        builder.model(f"lot/solo-{number}", {pair[0].name: FIRST})
    with Edge(builder, folder) as edge:
        yield Tls(edge, [Lot(edge, number, a, b) for number, (a, b) in enumerate(pairs)], trusted)
    for site in (site for pair in pairs for site in pair):
        site.sock.close()


@pytest.fixture
def lot(tls: Tls) -> Lot:
    """Hides the plain-text lot of the other modules."""
    return tls.lots.pop()


def impostor(tls: Tls, kind: str) -> trustme.LeafCert:
    now = datetime.now(UTC)
    match kind:
        case "expired":
            return tls.trusted.issue_cert(HOST, not_before=now - timedelta(9), not_after=now - timedelta(2))
        case "not_yet_valid":
            return tls.trusted.issue_cert(HOST, not_before=now + timedelta(2), not_after=now + timedelta(9))
        case "wrong_host":
            return tls.trusted.issue_cert("provider.example")
        case "unknown_ca":
            return trustme.CA().issue_cert(HOST)
    raise AssertionError(kind)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A CA certificate of its own used as the server's."""
    ca = trustme.CA()
    file = folder / "self.pem"
    ca.private_key_pem.write_to_path(str(file))
    ca.cert_pem.write_to_path(str(file), append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def incomplete(tls: Tls) -> ssl.SSLContext:
    """Issued by an intermediate that the server does not send."""
    certificate = tls.trusted.create_child_ca().issue_cert(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = certificate.cert_chain_pems[0].bytes()
    with certificate.private_key_pem.tempfile() as key, trustme.Blob(leaf).tempfile() as chain:
        context.load_cert_chain(chain, key)
    return context


KINDS = ["expired", "not_yet_valid", "wrong_host", "unknown_ca", "self_signed", "incomplete_chain"]


@pytest.fixture
def bad_handshake(tls: Tls, request: pytest.FixtureRequest, tmp_path: Path) -> StartTls:
    kind = str(request.param)
    if kind == "self_signed":
        return StartTls(self_signed(tmp_path))
    if kind == "incomplete_chain":
        return StartTls(incomplete(tls))
    return StartTls(tls.context(impostor(tls, kind)))


bad_handshakes = pytest.mark.parametrize("bad_handshake", KINDS, indirect=True)


async def test_a_verified_provider_serves(tls: Tls, lot: Lot) -> None:
    async with lot.a.plays([tls.good, chat()]) as a:
        is_whole_stream(await lot.chat())
        assert a.requests[0].head.get("authorization") == f"Bearer {PROVIDER_KEY}"


async def test_the_servers_name_is_sent(tls: Tls, lot: Lot) -> None:
    names: list[str | None] = []
    start = tls.good
    start.context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with lot.a.plays([start, chat()]):
        is_whole_stream(await lot.chat())
    assert names == [HOST]


@bad_handshakes
async def test_u45_an_unproven_provider_gets_no_byte_of_http(tls: Tls, lot: Lot, bad_handshake: StartTls) -> None:
    async with lot.a.plays([bad_handshake, chat()]) as a, lot.b.plays([tls.good, chat()]):
        is_whole_stream(await lot.chat())
        await until(lambda: all(peer.gone.is_set() for peer in a.peers) or None)
        assert a.raw == b""
        assert a.requests == []


@bad_handshakes
async def test_u45_the_host_is_hard_open_at_once(tls: Tls, lot: Lot, bad_handshake: StartTls) -> None:
    async with lot.a.plays([bad_handshake, chat()]) as a, lot.b.plays([tls.good, chat()]):
        for _ in range(2):
            is_whole_stream(await lot.chat())
        assert len(a.peers) == 1
        assert await lot.breaker() == "hard_open"
        assert lot.errors(await lot.edge.metrics(), "tls") == 1


@bad_handshakes
async def test_u45_the_client_is_not_told_why(tls: Tls, lot: Lot, bad_handshake: StartTls) -> None:
    async with lot.a.plays([bad_handshake, chat()]):
        answer = await lot.chat(solo=True)
    is_typed_error(answer, 502, "provider_unavailable")
    text = answer.body.lower()
    assert not any(word in text for word in (b"certificate", b"self", b"expired", b"localhost", b"ssl"))


async def test_u45_plain_text_where_tls_was_expected(tls: Tls, lot: Lot) -> None:
    async with lot.a.plays([Send(json_body(completion())), Fin()]) as a, lot.b.plays([tls.good, chat()]):
        is_whole_stream(await lot.chat())
        assert PROVIDER_KEY.encode() not in a.raw
        assert KEY.encode() not in a.raw


async def test_u44_a_handshake_that_hangs_is_left_at_its_limit(tls: Tls, lot: Lot) -> None:
    async with lot.a.plays([Stall()]), lot.b.plays([tls.good, chat()]):
        before = asyncio.get_running_loop().time()
        is_whole_stream(await lot.chat())
        took_s = asyncio.get_running_loop().time() - before
    assert TIMEOUTS["tls"] - 0.1 < took_s < TIMEOUTS["tls"] + 1.5
    assert lot.errors(await lot.edge.metrics(), "tls") == 1


async def test_u44_charges_the_host(tls: Tls, lot: Lot) -> None:
    async with lot.a.plays([Stall()]), lot.b.plays([tls.good, chat()]):
        for _ in range(HOST_LIMIT):
            assert await lot.breaker() == "closed"
            is_whole_stream(await lot.chat())
    assert await lot.breaker() == "open"


def cut_streams() -> list[Script]:
    """With framing that is incomplete at the cut."""
    sent = contents()
    return [
        [ReadRequest(), Send(stream_head() + chunked(sent)), Cut()],
        [ReadRequest(), Send(eof_head() + b"".join(sent)), Cut()],
    ]


@pytest.mark.parametrize("script", cut_streams(), ids=["chunked", "eof_framed"])
async def test_u46_a_cut_without_close_notify_is_a_truncation(tls: Tls, lot: Lot, script: Script) -> None:
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, gate.set)  # the content first, then the cut
    async with lot.a.plays([tls.good, *script[:-1], Wait(gate), script[-1]]):
        answer = await lot.chat()
    ends_in_error(answer.events, 502, "provider_unavailable")


async def test_u46_a_cut_after_the_last_byte_is_no_fault(tls: Tls, lot: Lot) -> None:
    script = [tls.good, ReadRequest(), Send(json_body(completion())), Cut()]
    async with lot.a.plays(script):
        for _ in range(6):
            answer = await lot.chat(stream=False, solo=True)
            assert answer.status == 200
    assert await lot.breaker(solo=True) == "closed"
