"""A node does not start on aiohttp's pure-Python parser."""

import os
import subprocess
import sys


def test_without_the_compiled_parser_it_refuses_to_start() -> None:
    code = "from edgeproxy.proxy.aiohttp_door import require_compiled_parser; require_compiled_parser()"
    environ = os.environ | {"AIOHTTP_NO_EXTENSIONS": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "AIOHTTP_NO_EXTENSIONS" in ran.stderr
