from edgeproxy.domain.charge import Charge

def stream_opening(
    first: bytes, shared: bytes, last: bytes, identity: bytes, provider: bytes | None, attempts: int
) -> bytes: ...
def whole_answer(
    first: bytes,
    shared: bytes,
    last: bytes,
    identity: bytes,
    provider: bytes,
    attempts: int,
    charge: Charge | None,
    body: bytes,
) -> bytes: ...
