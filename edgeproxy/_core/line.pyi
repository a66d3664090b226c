from collections.abc import Callable
from typing import Any

def json_line(record: Any, quoted: Callable[[str], bytes]) -> bytes: ...
