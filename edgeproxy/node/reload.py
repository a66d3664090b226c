"""Reloads: the whole configuration is read and checked, every worker makes it ready, and only then do all of them swap.

What fails on the way changes nothing. A worker that dies meanwhile starts with the newest snapshot that was taken.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from edgeproxy.control.config import Settings
from edgeproxy.domain.errors import EdgeproxyError
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.channel import Load, Swap, encode
from edgeproxy.node.child import Child
from edgeproxy.node.crew import Crew
from edgeproxy.node.slots import Placement, SlotDirectory
from edgeproxy.proxy.routes import check_heads
from edgeproxy.telemetry.layout import Directory, Layout

log = logging.getLogger(__name__)

Prepared = tuple[Settings, Snapshot]


class Current:
    """What is in force: settings, snapshot and places, and the number of the snapshot."""

    def __init__(self, settings: Settings, snapshot: Snapshot, layout: Layout) -> None:
        self.settings = settings
        self.snapshot = snapshot
        self.layout = layout
        self.generation = 1
        self.was_applied = True
        self.applied_at = time.time()

    def take(self, settings: Settings, snapshot: Snapshot, layout: Layout) -> None:
        self.settings, self.snapshot, self.layout = settings, snapshot, layout
        self.generation += 1
        self.was_applied, self.applied_at = True, time.time()


class Reloader:
    def __init__(
        self,
        current: Current,
        read: Callable[[], Prepared],
        slots: SlotDirectory,
        places: Directory,
        crew: Crew,
    ) -> None:
        self._current = current
        self._read = read
        self._slots = slots
        self._places = places
        self._crew = crew
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Task[Sequence[str]] | None = None  # whoever asks now is served by it too

    async def reload(self) -> Sequence[str]:
        """What was wrong; nothing when it was applied. Whoever asks while one waits for its turn shares it."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self._in_turn())
        return await asyncio.shield(self._waiting)

    async def _in_turn(self) -> Sequence[str]:
        async with self._turn:
            self._waiting = None
            problems = await self._reload()
        if problems:
            self._current.was_applied = False
            for problem in problems:
                log.error("reload refused, the old configuration stays: %s", problem)
        return problems

    async def _reload(self) -> Sequence[str]:
        try:
            settings, snapshot = await asyncio.to_thread(self._read)
            check_heads(snapshot)
            placement = self._slots.place(snapshot, self._crew.oldest_generation(self._current.generation))
        except EdgeproxyError as error:
            return [str(error)]
        except Exception as error:  # a bug of ours must not end the node, nor hide
            log.exception("reload failed")
            return [f"{type(error).__name__}: {error}"]
        warn_of_addresses(self._current.settings, settings)
        layout = self._places.assign(snapshot)
        return await self._offer(settings, placement, layout)

    async def _offer(self, settings: Settings, placement: Placement, layout: Layout) -> Sequence[str]:
        """All workers or none."""
        generation = self._current.generation + 1
        load = await asyncio.to_thread(encode, Load(generation, layout.to_dict(), placement.snapshot))
        asked = [child for child in self._crew.children if child not in self._retired()]
        answers = await asyncio.gather(*(child.load(generation, load) for child in asked))
        problems = [f"worker {child.slot}: {why}" for child, why in zip(asked, answers, strict=True) if why]
        if problems:
            for child in asked:
                child.send(Swap(generation, is_wanted=False))
            return problems
        snapshot = self._slots.commit(placement, generation)
        self._current.take(settings, snapshot, layout)
        for child in asked:
            swap(child, generation)
        for child in self._crew.children:  # one that was told the old snapshot while the others were asked
            if child.generation < generation and child not in self._retired():
                child.send(load)
                swap(child, generation)
        return []

    def _retired(self) -> list[Child]:
        """They end with what they have."""
        return [child for post in self._crew.posts for child in post.retired]


def swap(child: Child, generation: int) -> None:
    child.generation = generation
    child.send(Swap(generation))


def warn_of_addresses(before: Settings, after: Settings) -> None:
    for name in ("listen", "ops", "workers"):
        if getattr(before.server, name) != getattr(after.server, name):
            log.warning("server.%s has changed: it is applied when the node starts", name)
