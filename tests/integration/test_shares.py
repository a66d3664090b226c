"""Live traffic is shared out by the operator's weights."""

import asyncio

from support.checks import is_whole_stream
from support.house import MODEL, NAMES, WEIGHTS, House
from support.replies import chat

CALLS = 800
AT_A_TIME = 8
CHI_SQUARE = 13.82  # 2 degrees of freedom, one run in a thousand is above it


async def test_shares_follow_the_weights(house: House) -> None:
    async with (
        house.sites["left"].plays([chat()]) as left,
        house.sites["middle"].plays([chat()]) as middle,
        house.sites["right"].plays([chat()]) as right,
    ):

        async def caller() -> None:
            for _ in range(CALLS // AT_A_TIME):
                is_whole_stream(await house.edge.chat(MODEL, stream=True))

        await asyncio.gather(*(caller() for _ in range(AT_A_TIME)))
        counts = [len(upstream.requests) for upstream in (left, middle, right)]
    assert sum(counts) == CALLS
    expected = [CALLS * WEIGHTS[name] / sum(WEIGHTS.values()) for name in NAMES]
    statistic = sum((count - want) ** 2 / want for count, want in zip(counts, expected, strict=True))
    assert statistic < CHI_SQUARE, counts
