"""A DNS of a test's own."""

import asyncio
import socket

from edgeproxy.proxy.resolve import Address

Answer = list[str] | Exception | None


class Names:
    """Answers, or raises, in turn; the last one again and again. None: never answers."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return [address_of(one, port) for one in answer]


def address_of(text: str, port: int) -> Address:
    return (socket.AF_INET6 if ":" in text else socket.AF_INET, (text, port))
