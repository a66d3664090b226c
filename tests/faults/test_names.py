"""U47: names that do not resolve, resolve slowly, or resolve to addresses of which some are dead."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.builders import FIRST, LAST, ConfigBuilder
from support.checks import HOST_LIMIT, is_typed_error, is_whole_stream
from support.edge import Edge
from support.replies import chat
from support.resolver import Resolver
from support.scripted import black_hole, reserve
from support.stage import Lot, Site

LOTS = 16


@dataclass
class Names:
    resolver: Resolver
    lots: list[Lot]


def host_of(site: Site) -> str:
    return f"{site.name}.names.test"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Names]:
    folder, builder = tmp_path_factory.mktemp("names"), ConfigBuilder()
    builder.server.update(server)
    resolver = Resolver(folder)
    pairs = [(Site(f"a{n}", reserve()), Site(f"b{n}", reserve())) for n in range(LOTS)]
    for number, (a, b) in enumerate(pairs):
        builder.provider(a.name, a.port, host=host_of(a)).provider(b.name, b.port)
        builder.model(f"lot/pair-{number}", {a.name: FIRST, b.name: LAST})
        builder.model(f"lot/solo-{number}", {a.name: FIRST})
        resolver.answers(host_of(a), "127.0.0.1")
    with Edge(builder, folder, python_path=(resolver.folder,)) as edge:
        yield Names(resolver, [Lot(edge, number, a, b) for number, (a, b) in enumerate(pairs)])
    for site in (site for pair in pairs for site in pair):
        site.sock.close()


@pytest.fixture
def lot(names: Names) -> Lot:
    """A lot whose provider `a` has a name."""
    return names.lots.pop()


async def test_a_name_is_resolved(lot: Lot) -> None:
    async with lot.a.plays([chat()]) as a:
        is_whole_stream(await lot.chat())
        assert a.requests[0].head.get("host") == f"{host_of(lot.a)}:{lot.a.port}"


@pytest.mark.parametrize("answer", ["nxdomain", "servfail", "empty", "slow"])
async def test_u47_is_served_by_the_next_endpoint(names: Names, lot: Lot, answer: str) -> None:
    names.resolver.answers(host_of(lot.a), answer)
    async with lot.b.plays([chat()]):
        is_whole_stream(await lot.chat())
    assert lot.errors(await lot.edge.metrics(), "connect") == 1


async def test_u47_slow_is_left_at_the_connect_limit(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "slow")
    async with lot.b.plays([chat()]):
        before = asyncio.get_running_loop().time()
        is_whole_stream(await lot.chat())
        assert asyncio.get_running_loop().time() - before < 2.0


async def test_u47_no_such_name_twice_is_a_mistake_in_the_configuration(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "nxdomain")
    async with lot.b.plays([chat()]):
        for _ in range(3):  # two of them at one worker, where two serve
            is_whole_stream(await lot.chat())
    assert await lot.breaker() == "hard_open"


async def test_u47_servfail_charges_the_host(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "servfail")
    async with lot.b.plays([chat()]):
        for _ in range(HOST_LIMIT):
            assert await lot.breaker() == "closed"
            is_whole_stream(await lot.chat())
    assert await lot.breaker() == "open"


async def test_u47_is_a_typed_error_without_the_name(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "nxdomain")
    answer = await lot.chat(solo=True)
    is_typed_error(answer, 502, "provider_unavailable")
    assert b"names.test" not in answer.body


async def test_u47_a_dead_first_address_is_passed_over(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "127.0.0.2,127.0.0.1")
    async with lot.a.plays([chat()]), lot.b.plays([chat()]) as b:
        is_whole_stream(await lot.chat())
        assert b.peers == []


async def test_u47_a_silent_first_address_is_passed_over(names: Names, lot: Lot) -> None:
    names.resolver.answers(host_of(lot.a), "127.0.0.2,127.0.0.1")
    with black_hole(lot.a.port, "127.0.0.2"):
        async with lot.a.plays([chat()]), lot.b.plays([chat()]) as b:
            is_whole_stream(await lot.chat())
            assert b.peers == []
