"""TensorZero's gateway as its Python package starts it, on a port of its own choice.

Run by peers/tensorzero/bin/python.
"""

import signal
import sys
from pathlib import Path

from tensorzero.tensorzero import _start_http_gateway

config, url_file = sys.argv[1:]
gateway = _start_http_gateway(
    config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
Path(url_file).write_text(gateway.base_url)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
gateway.close()
