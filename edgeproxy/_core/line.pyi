from collections.abc import Callable

from edgeproxy.domain.record import CallRecord

def json_line(record: CallRecord, quoted: Callable[[str], bytes]) -> bytes: ...
