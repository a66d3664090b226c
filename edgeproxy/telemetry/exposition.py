"""The bytes of `/metrics`: rendered in a thread, one at a time, and never for more than a fifth of the time.

Whoever asks more often gets the page of a moment ago, so that a flood of scrapes cannot take a core from the workers.
"""

import asyncio
import time
from typing import final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

_REST = 4.0  # times as long as the last rendering took


@final
class MetricsPage:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._turn = asyncio.Lock()
        self._pages: dict[str, tuple[bytes, float]] = {}  # content type → page, and until when it is fresh

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type, in the format that the scraper prefers."""
        encode, content_type = choose_encoder(accept)
        async with self._turn:
            page, fresh_until = self._pages.get(content_type, (b"", 0.0))
            started_at = time.monotonic()
            if started_at >= fresh_until:
                page = await asyncio.to_thread(encode, self._registry)
                ended_at = time.monotonic()
                self._pages[content_type] = (page, ended_at + _REST * (ended_at - started_at))
        return page, content_type
