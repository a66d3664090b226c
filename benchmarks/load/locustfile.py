"""Streaming users for locust: time to first event, time between events and whole streams as rows of their own.

Environment: BENCH_KEY, BENCH_MODEL, BENCH_EVENTS, BENCH_INTERVAL_MS. The fake upstream paces each answer as the `user`
field of its request says (script.h), and numbers its events, so a lost or doubled one is a failure here too.
"""

import itertools
import json
import os
import re
import time
from typing import Any

from locust import FastHttpUser, between, task

KEY = os.environ["BENCH_KEY"]
MODEL = os.environ.get("BENCH_MODEL", "bench/m0")
EVENTS = int(os.environ.get("BENCH_EVENTS", "20"))
INTERVAL_US = int(float(os.environ.get("BENCH_INTERVAL_MS", "50")) * 1000)
HEADERS = {"Authorization": f"Bearer {KEY}"}
NUMBER = re.compile(r"^t=\d+ n=(\d+) ")
calls = itertools.count(1)


def body(is_stream: bool) -> dict[str, Any]:
    script = f"bench:n{next(calls):016x}:e{EVENTS}:f{INTERVAL_US}:i{INTERVAL_US}:p20:q0:c{0:016x}"
    stream = {"stream": True, "stream_options": {"include_usage": True}} if is_stream else {}
    return {"model": MODEL, "user": script, **stream, "messages": [{"role": "user", "content": "Say something."}]}


class Chat(FastHttpUser):
    wait_time = between(0.0, 0.2)
    network_timeout = 60.0
    connection_timeout = 10.0

    def row(self, name: str, seconds: float, size: int = 0) -> None:
        self.environment.events.request.fire(
            request_type="SSE",
            name=name,
            response_time=seconds * 1e3,
            response_length=size,
            exception=None,
            context={},
            response=None,
        )

    @task(4)
    def stream(self) -> None:
        began = time.perf_counter()
        # With stream=True locust's own row ends at the headers: its name says so.
        with self.client.post(
            "/v1/chat/completions", json=body(True), headers=HEADERS, stream=True, catch_response=True, name="headers"
        ) as response:
            if response.status_code != 200:  # 0: no connection, and no stream to read
                response.failure(f"HTTP {response.status_code}")
                return
            times, size, problem = read_stream(response.stream)
            if problem:
                response.failure(problem)
                return
            response.success()
        self.row("time to first event", times[0] - began)
        for earlier, later in itertools.pairwise(times):
            self.row("between events", later - earlier)
        self.row("whole stream", time.perf_counter() - began, size)

    @task(1)
    def whole(self) -> None:
        with self.client.post(
            "/v1/chat/completions", json=body(False), headers=HEADERS, catch_response=True, name="not streamed"
        ) as response:
            if response.status_code != 200:
                response.failure(f"HTTP {response.status_code}")
            elif not json.loads(response.text or "{}").get("usage"):
                response.failure("no usage")
            else:
                response.success()


def read_stream(stream: Any) -> tuple[list[float], int, str]:
    """When each content event came, the bytes, and what was wrong ("" when nothing was).

    readline, not iter_lines (which waits for 1,024 bytes) and not read(1) (a recv a byte).
    """
    times: list[float] = []
    size = 0
    while line := bytes(stream.readline(b"\n")):
        size += len(line)
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return times, size, "" if len(times) == EVENTS else f"{len(times)} of {EVENTS} events"
        event = json.loads(data)
        if "error" in event:
            return times, size, str(event["error"].get("message"))
        content = event["choices"][0]["delta"].get("content") if event["choices"] else None
        if content:
            number = NUMBER.match(content)
            if not number or int(number[1]) != len(times):
                return times, size, f"event {len(times)} is {content[:40]!r}"
            times.append(time.perf_counter())
    return times, size, "the stream was cut: no [DONE]"
