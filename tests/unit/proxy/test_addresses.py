"""Names and their addresses: who waits for a lookup, who does not, and which address comes first."""

import asyncio
import socket

import pytest
from support.names import Answer, Names, address_of

from edgeproxy.proxy.addresses import FRESH_S, KEPT_S, PAUSE_S, Addresses, NoAddress

MISSING = socket.gaierror(socket.EAI_NONAME, "x")
AGAIN = socket.gaierror(socket.EAI_AGAIN, "x")
PORT = 9
ONE, TWO, SIX, SEVEN = (address_of(text, PORT) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::6", "2001:db8::7"))


class Stage:
    def __init__(self, *answers: Answer) -> None:
        self.now = 1000.0
        self.names = Names(*answers)
        self.addresses = Addresses("provider.test", PORT, self.names, lambda: self.now)

    async def get(self) -> list[str]:
        """What is given out at once; a lookup in the background has its turn afterwards."""
        found = [place[0] for _, place in await self.addresses.get(0.05)]
        await asyncio.sleep(0)
        return found

    async def fails(self) -> str:
        with pytest.raises(NoAddress) as caught:
            await self.get()
        return caught.value.kind


async def test_a_fresh_answer_is_used_without_a_lookup() -> None:
    stage = Stage(["192.0.2.1"])
    for _ in range(3):
        assert await stage.get() == ["192.0.2.1"]
        stage.now += FRESH_S / 4
    assert stage.names.asked == 1


async def test_an_old_answer_serves_while_one_lookup_renews_it() -> None:
    stage = Stage(["192.0.2.1"], ["192.0.2.2"])
    await stage.get()
    stage.now += FRESH_S + 1
    found = [await stage.addresses.get(0.05) for _ in range(3)]  # no turn of the loop for the lookup between them
    assert found == [[ONE]] * 3
    await asyncio.sleep(0)
    assert stage.names.asked == 2
    assert await stage.get() == ["192.0.2.2"]


async def test_a_lookup_that_hangs_holds_up_nobody_who_knows_an_address() -> None:
    stage = Stage(["192.0.2.1"], None)
    await stage.get()
    for _ in range(5):
        stage.now += FRESH_S + 1
        assert await stage.get() == ["192.0.2.1"]
    assert stage.names.asked == 2
    stage.addresses.close()


async def test_failing_lookups_are_counted_spaced_and_leave_the_good_answer() -> None:
    stage = Stage(["192.0.2.1"], AGAIN)
    await stage.get()
    stage.now += FRESH_S + 1
    for _ in range(3):
        assert await stage.get() == ["192.0.2.1"]
    assert (stage.names.asked, stage.addresses.failed_renewals) == (2, 1)
    stage.now += PAUSE_S
    assert await stage.get() == ["192.0.2.1"]
    assert (stage.names.asked, stage.addresses.failed_renewals) == (3, 2)


async def test_the_good_answer_is_kept_for_a_bounded_time() -> None:
    stage = Stage(["192.0.2.1"], AGAIN)
    await stage.get()
    stage.now += KEPT_S
    assert await stage.get() == ["192.0.2.1"]
    stage.now += 1.0
    assert await stage.fails() == "dns"


async def test_a_name_that_comes_back_is_used_at_once() -> None:
    stage = Stage(AGAIN, ["192.0.2.1"])
    assert await stage.fails() == "dns"
    assert await stage.get() == ["192.0.2.1"]


async def test_many_who_wait_share_one_lookup() -> None:
    stage = Stage(AGAIN)
    found = await asyncio.gather(*(stage.addresses.get(1.0) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, NoAddress) for one in found)
    assert stage.names.asked == 1


async def test_who_gives_up_leaves_the_lookup_to_the_others() -> None:
    stage = Stage(None)
    assert await stage.fails() == "dns"
    assert await stage.fails() == "dns"
    assert stage.names.asked == 1
    stage.addresses.close()


async def test_missing_names_are_counted_in_a_row() -> None:
    stage = Stage(MISSING, MISSING, ["192.0.2.1"])
    assert [await stage.fails(), await stage.fails()] == ["nxdomain", "nxdomain"]
    assert stage.addresses.missing_in_a_row == 2
    await stage.get()
    assert stage.addresses.missing_in_a_row == 0


async def test_when_no_address_works_the_name_is_asked_without_waiting() -> None:
    stage = Stage(["192.0.2.1"], ["192.0.2.2"])
    await stage.get()
    stage.now += PAUSE_S
    stage.addresses.none_worked()
    assert await stage.get() == ["192.0.2.1"]
    assert await stage.get() == ["192.0.2.2"]


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::6"])
async def test_an_address_is_never_looked_up(host: str) -> None:
    names = Names(MISSING)
    addresses = Addresses(host, PORT, names)
    addresses.none_worked()
    assert await addresses.get(0.05) == [address_of(host, PORT)]
    assert names.asked == 0


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ([SEVEN, SIX, ONE, TWO], [SEVEN, ONE, SIX, TWO]),
        ([ONE, TWO, SIX], [ONE, SIX, TWO]),
        ([ONE, TWO], [ONE, TWO]),
    ],
)
async def test_families_take_turns_beginning_with_the_resolvers_first(
    answer: list[object], order: list[object]
) -> None:
    async def resolver(host: str, port: int) -> list[object]:
        return answer

    assert await Addresses("provider.test", PORT, resolver).get(1.0) == order  # type: ignore[arg-type]


async def test_the_address_that_worked_comes_first_also_after_a_renewal() -> None:
    stage = Stage(["192.0.2.1", "192.0.2.2"])
    await stage.get()
    stage.addresses.worked(TWO)
    assert await stage.get() == ["192.0.2.2", "192.0.2.1"]
    stage.now += FRESH_S + 1
    await stage.get()
    assert await stage.get() == ["192.0.2.2", "192.0.2.1"]
    assert stage.names.asked == 2


async def test_a_favourite_that_stopped_working_is_forgotten() -> None:
    stage = Stage(["192.0.2.1", "192.0.2.2"])
    await stage.get()
    stage.addresses.worked(TWO)
    stage.now += PAUSE_S
    stage.addresses.none_worked()
    await asyncio.sleep(0)
    assert await stage.get() == ["192.0.2.1", "192.0.2.2"]
