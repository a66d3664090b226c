"""An independent judge: what is meant to be served of the odd requests, h11 takes for one request too."""

import json

import h11
import pytest
from support.corpus import GOOD
from support.odd_requests import odd_requests

MODEL, KEY = "author/slug", "sk-test-h11"
SERVED = {odd.id: odd.raw for odd in odd_requests(MODEL, KEY) if odd.is_served}
# RFC 9112 section 2.2 lets a server ignore an empty line before the request; h11 does not.
EXPLAINED = {"C23_empty_lines_before", "a line end before the request"}


def read(raw: bytes) -> tuple[h11.Request, bytes]:
    judge, body = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), b""
    judge.receive_data(raw)
    request = judge.next_event()
    assert isinstance(request, h11.Request)
    while isinstance(event := judge.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert judge.trailing_data[0] == b"", "nothing is left over"
    return request, body


@pytest.mark.parametrize("id", sorted(SERVED.keys() - EXPLAINED))
def test_an_odd_request_that_is_served_is_one_request_to_h11(id: str) -> None:
    request, body = read(SERVED[id])
    assert request.method == b"POST"
    assert json.loads(body)["model"] == MODEL


@pytest.mark.parametrize("id", sorted(GOOD.keys() - EXPLAINED))
def test_a_good_request_is_one_to_h11(id: str) -> None:
    read(GOOD[id])


@pytest.mark.parametrize("raw", [SERVED["C23_empty_lines_before"], GOOD["a line end before the request"]])
def test_the_one_explained_disagreement_is_there(raw: bytes) -> None:
    with pytest.raises(h11.RemoteProtocolError):
        read(raw)
