"""All workers of a node: a slot each, and one more process that is kept ready to take the place of one that dies.

Starting Python and importing what a worker needs takes longer than a client should wait; the spare has done that.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator, Sequence

from edgeproxy.node.channel import Boot, Message, Press
from edgeproxy.node.child import Child
from edgeproxy.node.launch import Launched
from edgeproxy.node.post import Post, how_it_ended
from edgeproxy.telemetry.collector import WorkerFacts
from edgeproxy.telemetry.process import ProcessUsage, private_bytes

log = logging.getLogger(__name__)

SILENT_AFTER = 5  # looks without a beat, a second apart, until a worker counts as not answering
KILLED_AFTER = 60
SPARE_REST = 30  # looks until a spare that died, or had to go, is replaced: nobody waits for it
VACANT_S = 3.0  # how long a slot may be empty before the node says that it is not ready

MakeBoot = Callable[[int, int], Boot]  # slot, row


class Crew:
    def __init__(
        self,
        listening: Sequence[socket.socket],
        shared: Sequence[int],
        make_boot: MakeBoot,
        reclaim: Callable[[int], None],
        launched: Sequence[Launched] = (),
    ) -> None:
        """`shared`: the descriptors of memory and access log. `launched`: workers that load already."""
        workers = len(listening)
        self.posts = [Post(index, workers, sock, self._boot, reclaim) for index, sock in enumerate(listening)]
        self._memory_fd, self._log_fd = shared
        self._make_boot = make_boot
        self._launched = list(launched)
        self._spare: Child | None = None
        self._sparing: asyncio.Task[None] | None = None
        self._wants_spare = False
        self._spare_rests = 0

    # --- start -------------------------------------------------------------------------------------------------

    async def start(self) -> str | None:
        """Start them all. What kept one from serving; None when all serve."""
        await asyncio.gather(*(post.start() for post in self.posts))
        for post in self.posts:
            if not post.is_serving:
                return f"worker {post.index}: {post.trouble}"
        self._wants_spare = True
        self._renew_spare()
        return None

    async def _boot(self, post: Post, row: int) -> Child:
        child, self._spare = self._spare, None
        if child is None or not child.is_up:
            child = await Child.spawn(self._launched.pop() if self._launched else None)
        child.boot([self._memory_fd, post.listening.fileno(), self._log_fd], self._make_boot(post.index, row))
        self._renew_spare()
        return child

    def _renew_spare(self) -> None:
        if self._wants_spare and self._spare is None and self._sparing is None and not self._spare_rests:
            self._sparing = asyncio.ensure_future(self._prepare_spare())
            self._sparing.add_done_callback(self._spared)

    async def _prepare_spare(self) -> None:
        """Not while a worker starts: that one is in more of a hurry."""
        while not self.is_complete:  # noqa: ASYNC110  # whoever serves, and when, is the slots' business
            await asyncio.sleep(0.1)
        self._spare = await Child.spawn()

    def _spared(self, task: "asyncio.Task[None]") -> None:
        self._sparing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("no spare worker: %s", error)

    def drop_spare(self) -> None:
        """It is old, or its memory is needed."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill()

    # --- who is there ------------------------------------------------------------------------------------------

    @property
    def children(self) -> Iterator[Child]:
        """All that have been told what to serve, those that drain among them."""
        for post in self.posts:
            yield from post.children

    @property
    def is_complete(self) -> bool:
        return all(post.is_serving for post in self.posts)

    def vacant(self) -> list[Post]:
        """Slots that have had no worker for longer than a restart takes."""
        return [post for post in self.posts if post.vacant_s() > VACANT_S]

    def pids(self) -> list[int]:
        spare = [self._spare.pid] if self._spare is not None else []
        return [*(child.pid for child in self.children), *spare]

    def calls(self) -> int:
        return sum(child.calls for child in self.children)

    def oldest_generation(self, newest: int) -> int:
        """Of the snapshots that some call may still use."""
        return min((child.oldest for child in self.children), default=newest)

    def facts(self) -> list[WorkerFacts]:
        return [self._facts(post) for post in self.posts]

    def _facts(self, post: Post) -> WorkerFacts:
        used = [usage for child in post.children if (usage := child.usage) is not None]
        total = ProcessUsage(
            post.cpu_s + sum(one.cpu_s for one in used),
            sum(one.resident_bytes for one in used),
            sum(one.open_fds for one in used),
        )
        answers = post.is_serving and post.current is not None and post.current.silent < SILENT_AFTER
        return WorkerFacts(str(post.index), answers, total)

    # --- supervision -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Once a second: whoever has not said anything for a minute is stuck, and its streams with it."""
        for child in list(self.children):
            if not child.is_ready:
                continue
            child.silent += 1
            if child.silent == SILENT_AFTER:
                log.warning("worker (pid %d) has not answered for %d s", child.pid, SILENT_AFTER)
            elif child.silent == KILLED_AFTER:
                log.error("worker (pid %d) is stuck: ending it", child.pid)
                child.kill()
        if self._spare is not None and not self._spare.is_up:
            log.warning("the spare worker died: %s", how_it_ended(self._spare))
            self._spare, self._spare_rests = None, SPARE_REST
        self._spare_rests = max(0, self._spare_rests - 1)
        self._renew_spare()

    def tell(self, message: Message) -> None:
        for child in self.children:
            child.send(message)

    def press(self, level: int, excess: int) -> None:
        """Pass on how short of memory the node is; whoever has most of it gives up most."""
        if level:
            self.drop_spare()
            self._spare_rests = SPARE_REST  # not back at once: it may be what makes the difference
        sizes = {child: private_bytes(child.pid) for child in self.children} if excess else {}
        total = sum(sizes.values()) or 1
        for child in self.children:
            if level or child.pressure:
                child.pressure = level
                child.send(Press(level, excess * sizes.get(child, 0) // total))

    async def replace(self, drain_s: float) -> list[str]:
        """Every worker by a new process, one slot after the other. The problems; at the first one it stops."""
        self.drop_spare()  # it has loaded what was installed then
        for post in self.posts:
            problem = await post.replace(drain_s)
            if problem is not None:
                return [f"worker {post.index} was not replaced: {problem}"]
        return []

    # --- end ---------------------------------------------------------------------------------------------------

    def dismiss(self) -> None:
        """Start nobody any more."""
        self._wants_spare = False
        if self._sparing is not None:
            self._sparing.cancel()
        self.drop_spare()
        for post in self.posts:
            post.dismiss()

    async def wait_end(self, limit_s: float) -> bool:
        """Whether all have ended within that time."""
        waiting = [asyncio.ensure_future(child.ended.wait()) for child in self.children]
        if not waiting:
            return True
        _, pending = await asyncio.wait(waiting, timeout=limit_s)
        for one in pending:
            one.cancel()
        return not pending

    def kill(self) -> None:
        for child in list(self.children):
            child.kill()
