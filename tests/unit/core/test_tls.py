"""TLS to a provider, against an OpenSSL server in memory: whatever way the bytes come, nothing is lost or invented."""

import asyncio
import gc
import ssl
from collections import Counter

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from support.tls_peer import HOST, Peer, Wire, server_context, shake_hands

from edgeproxy._core.tls import TlsTransport

AUTHORITY = trustme.CA()
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


class Told(asyncio.Protocol):
    """What a connection hears, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.data = bytearray()
        self.pieces = 0
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.pieces += 1

    def eof_received(self) -> None:
        self.heard.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append("lost")
        self.error = exc


class Shaken:
    """Stands for the future of the handshake."""

    def __init__(self) -> None:
        self.results: list[Exception | None] = []

    def done(self) -> bool:
        return bool(self.results)

    def set_result(self, error: Exception | None) -> None:
        self.results.append(error)


def trusting(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


SERVERS = {version: server_context(AUTHORITY, version=version) for version in VERSIONS}
CLIENT = trusting()


class Line:
    """A client and a server with a wire between them, the handshake done."""

    def __init__(
        self, version: ssl.TLSVersion = VERSIONS[1], *, host: str = HOST, session: ssl.SSLSession | None = None
    ):
        self.told, self.shaken, self.wire = Told(), Shaken(), Wire()
        self.peer = Peer(SERVERS[version])
        self.tls = TlsTransport(self.told, CLIENT, host, session, self.shaken)  # type: ignore[arg-type]
        shake_hands(self.tls, self.wire, self.peer)


@versions
def test_the_connection_hears_of_itself_after_the_handshake(version: ssl.TLSVersion) -> None:
    line = Line(version)
    assert line.shaken.results == [None]
    assert line.told.heard == ["made"]
    assert line.tls.version == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


@versions
@pytest.mark.parametrize("size", [1, 300, 16384, 16385, 1_000_000])
def test_what_is_written_arrives(version: ssl.TLSVersion, size: int) -> None:
    line = Line(version)
    body = bytes(range(256)) * (size // 256 + 1)
    line.tls.writelines((b"head", body[:size]))
    line.peer.take(line.wire)
    assert line.peer.read == b"head" + body[:size]


@pytest.mark.parametrize("version", VERSIONS)
@given(parts=st.lists(st.binary(min_size=1, max_size=40_000), max_size=4), data=st.data())
def test_however_the_bytes_are_cut_the_same_arrives(
    version: ssl.TLSVersion, parts: list[bytes], data: st.DataObject
) -> None:
    line = Line(version)
    wire = line.peer.sends(*parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        line.tls.data_received(wire[begin:end])
    assert line.told.data == b"".join(parts)
    assert line.told.heard == ["made"]


def test_records_that_come_together_are_handed_on_together() -> None:
    line = Line()
    line.tls.data_received(line.peer.sends(b"one", b"two", b"three"))
    assert (bytes(line.told.data), line.told.pieces) == (b"onetwothree", 1)


def test_a_record_byte_by_byte() -> None:
    line = Line()
    for byte in line.peer.sends(b"a record"):
        line.tls.data_received(bytes([byte]))
    assert (bytes(line.told.data), line.told.pieces) == (b"a record", 1)


@versions
def test_close_notify_is_an_end_after_the_last_byte(version: ssl.TLSVersion) -> None:
    line = Line(version)
    line.tls.data_received(line.peer.sends(b"last") + line.peer.says_goodbye())
    assert line.told.data == b"last"
    assert line.told.heard == ["made", "eof"]
    assert line.wire.is_closed


@versions
def test_an_end_without_close_notify_is_a_loss_and_no_end(version: ssl.TLSVersion) -> None:
    line = Line(version)
    line.tls.data_received(line.peer.sends(b"part"))
    assert line.tls.eof_received() is False
    assert line.wire.is_aborted
    line.tls.connection_lost(None)
    assert line.told.heard == ["made", "lost"]


def test_a_forged_record_ends_the_connection_after_what_came_before_it() -> None:
    line = Line()
    good, forged = line.peer.sends(b"good"), bytearray(line.peer.sends(b"bad"))
    forged[-1] ^= 1
    line.tls.data_received(good + bytes(forged))
    assert line.told.data == b"good"
    assert line.wire.is_aborted
    line.tls.connection_lost(None)
    assert line.told.heard == ["made", "lost"]
    assert isinstance(line.told.error, ssl.SSLError)


@pytest.mark.parametrize("host", ["other.test", "192.0.2.1"])
def test_a_certificate_for_another_host_is_told_as_one(host: str) -> None:
    line = Line(host=host)
    assert isinstance(line.shaken.results[0], ssl.SSLCertVerificationError)
    assert line.wire.is_aborted
    assert line.peer.alert is not None  # the server's operator learns why
    assert line.peer.alert.endswith("BAD_CERTIFICATE")
    assert not line.peer.read
    line.tls.connection_lost(None)
    assert line.told.heard == []


def test_a_server_that_closes_during_the_handshake() -> None:
    told, shaken, wire = Told(), Shaken(), Wire()
    tls = TlsTransport(told, CLIENT, HOST, None, shaken)  # type: ignore[arg-type]
    tls.connection_made(wire)  # type: ignore[arg-type]
    tls.eof_received()
    assert wire.is_aborted
    tls.connection_lost(None)
    assert isinstance(shaken.results[0], ConnectionResetError)
    assert told.heard == []


def test_nothing_is_written_before_the_handshake_is_over_or_after_the_loss() -> None:
    told, wire = Told(), Wire()
    tls = TlsTransport(told, CLIENT, HOST, None, Shaken())  # type: ignore[arg-type]
    tls.write(b"secret")
    tls.connection_made(wire)  # type: ignore[arg-type]
    hello = bytes(wire.sent)
    tls.write(b"secret")
    assert wire.sent == hello
    tls.connection_lost(None)
    tls.write(b"secret")
    tls.abort()
    assert wire.sent == hello
    assert tls.is_closing()
    assert tls.get_write_buffer_size() == 0


def test_backpressure_goes_through() -> None:
    line = Line()
    line.tls.pause_reading()
    assert line.wire.is_paused
    line.tls.resume_reading()
    assert not line.wire.is_paused


@versions
def test_a_session_is_resumed(version: ssl.TLSVersion) -> None:
    first = Line(version)
    assert not first.tls.is_resumed
    first.tls.data_received(first.peer.sends(b"after this the ticket has been read"))
    second = Line(version, session=first.tls.session)
    assert second.tls.is_resumed
    second.tls.data_received(second.peer.sends(b"data"))
    assert second.told.data == b"data"


def test_nothing_is_left_for_the_cycle_collector() -> None:
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for line in (Line(), Line(host="other.test")):
            line.tls.connection_lost(None)
        del line
        gc.collect()
        found = Counter(type(one).__name__ for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not found["TlsTransport"]
    assert not found["SSLObject"]
