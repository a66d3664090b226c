"""Claims that many fault tests make in the same words."""

from support.builders import COMPLETION_PRICE, FEE_RATE, PROMPT_PRICE
from support.client import Answer, Events
from support.edge import Edge
from support.replies import PROMPT_TOKENS, WORDS
from support.stage import Lot

TEXT = "".join(WORDS)
HOST_LIMIT = 3  # connection-level failures in a row that open a host's breaker
ENDPOINT_LIMIT = 5  # failures in a row that open an endpoint's
SAMPLE = 10  # attempts before a rate of failures counts


def price_of(prompt: int, completion: int) -> float:
    upstream = prompt * float(PROMPT_PRICE) + completion * float(COMPLETION_PRICE)
    return round(upstream * (1 + float(FEE_RATE)), 9)


FULL_PRICE = price_of(PROMPT_TOKENS, len(WORDS))


def is_whole_stream(answer: Answer, text: str = TEXT) -> None:
    """Every word, one identity, [DONE]."""
    assert answer.status == 200, answer.body
    assert answer.head.text("content-type").startswith("text/event-stream")
    events = answer.events
    assert events.errors == []
    assert events.text == text
    assert events.is_done
    assert {each["id"] for each in events.data} == {answer.head.get("x-generation-id")}
    assert answer.is_complete


def is_typed_error(answer: Answer, status: int, error_type: str) -> None:
    """The contract's error object and nothing of the upstream's."""
    assert answer.status == status, answer.body
    error = answer.error
    assert error["code"] == status
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert error["metadata"]["error_type"] == error_type


def ends_in_error(events: Events, code: int, error_type: str) -> None:
    """One typed error event, the last thing of the stream."""
    assert len(events.errors) == 1
    last = events.data[-1]
    assert last is events.errors[0], "nothing follows the error"
    assert not events.is_done, "an error is not a success"
    assert last["object"] == "chat.completion.chunk"
    assert last["error"]["code"] == code
    assert last["error"]["metadata"]["error_type"] == error_type
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    assert last["choices"] == [choice]
    assert len({each["id"] for each in events.data}) == 1


async def settled_once(edge: Edge, answer: Answer, *, attempts: int = 1, cost: float | None = FULL_PRICE) -> None:
    """The one access line of the call: how often it was tried and what it cost. `cost` None: nothing."""
    line = await edge.line_of(answer.head.get("x-generation-id"))
    assert line["attempts"] == attempts
    assert (line["cost_usd"] or 0) == (cost or 0)
    same = [each for each in edge.access_lines() if each["generation_id"] == line["generation_id"]]
    assert len(same) == 1, "a call is told once"


async def opens_after(lot: Lot, limit: int) -> None:
    """The breaker of `a` is closed up to `limit` failures and open from then on; calls are served by `b` all along."""
    for _ in range(limit - 1):
        is_whole_stream(await lot.chat())
    assert await lot.breaker() == "closed", f"after {limit - 1} failures"
    is_whole_stream(await lot.chat())
    assert await lot.breaker() == "open", f"after {limit} failures"
