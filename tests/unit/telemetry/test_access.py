"""The access log: one line a call, no way to forge another, no way to block the loop."""

import os
from dataclasses import replace

import orjson
import pytest

from edgeproxy._core.line import json_line
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.record import CallRecord
from edgeproxy.domain.usage import Usage
from edgeproxy.telemetry.access import MOST_BYTES, AccessLog, _quoted, clean, terminal_line

CALL = CallRecord(
    generation_id="gen-1763769600-abcdefghijklmnopqrst",
    ended_at=1763769600.25,
    endpoint="chat",
    status=200,
    is_stream=True,
    org="default",
    key="sk-edge-v1-8...2a9",
    model="openai/gpt-6-luna",
    provider="openai",
    attempts=1,
    finish_reason="stop",
    usage=Usage(prompt=9, completion=41, cached=4, reasoning=1),
    charge=Charge(4000, 8000, 12000, 12600),
    ttft_ms=211.62,
    duration_ms=812.44449,
    overhead_ms=0.31,
)


def test_the_terminal_line() -> None:
    line = terminal_line(CALL, is_coloured=False).decode()
    assert line == "200 openai/gpt-6-luna → openai  ttft 212 ms  41 tok  $0.000013  +0.3 ms\n"


def test_the_terminal_line_of_a_failure() -> None:
    call = CallRecord("gen-1", 0.0, "chat", 404, model="gpt-6-lunar", error_type="not_found", overhead_ms=0.2)
    assert terminal_line(call, is_coloured=False) == b"404 gpt-6-lunar  not_found  +0.2 ms\n"


def test_an_unknown_price_is_not_zero() -> None:
    call = replace(CALL, is_price_known=False)
    assert b"price unknown" in terminal_line(call, is_coloured=False)
    assert orjson.loads(json_line(call, _quoted))["cost_usd"] is None


def test_colour_only_when_asked_for() -> None:
    assert b"\x1b" not in terminal_line(CALL, is_coloured=False)
    assert terminal_line(CALL, is_coloured=True).startswith(b"\x1b[32m200\x1b[0m ")


def test_the_json_line() -> None:
    assert orjson.loads(json_line(CALL, _quoted)) == {
        "time": "2025-11-22T00:00:00.250Z",
        "generation_id": "gen-1763769600-abcdefghijklmnopqrst",
        "org": "default",
        "key": "sk-edge-v1-8...2a9",
        "endpoint": "chat",
        "model": "openai/gpt-6-luna",
        "provider": "openai",
        "attempts": 1,
        "status": 200,
        "stream": True,
        "finish_reason": "stop",
        "tokens_in": 9,
        "tokens_out": 41,
        "tokens_cached": 4,
        "tokens_reasoning": 1,
        "cost_usd": 0.0000126,
        "ttft_ms": 211.62,
        "duration_ms": 812.444,
        "overhead_ms": 0.31,
        "error_type": None,
    }


@pytest.mark.parametrize(
    "evil", ["a\r\nb", "\x1b[31mred", "a\u202eb", "\u2066x", "\x85", "\u2028", "\ud800", "\x00" * 999]
)
def test_no_name_makes_a_second_line_or_moves_the_cursor(evil: str) -> None:
    call = replace(CALL, model=evil, finish_reason=evil, error_type=evil)
    for line in (terminal_line(call, is_coloured=False), json_line(call, _quoted)):
        text = line.decode()
        assert text.endswith("\n")
        assert text[:-1].isprintable()


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 200, "\n" * 300, "😀" * 65])
def test_a_value_is_at_most_256_bytes(text: str) -> None:
    assert len(clean(text).encode()) <= MOST_BYTES


def test_lines_wait_for_the_flush() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    log = AccessLog(writer, is_terminal=False)
    log.write(CALL)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    log.flush()
    assert os.read(reader, 1 << 16) == json_line(CALL, _quoted)
    os.close(reader)
    os.close(writer)


def test_a_terminal_sees_a_line_at_once() -> None:
    reader, writer = os.pipe()
    AccessLog(writer, is_terminal=True).write(CALL)
    assert os.read(reader, 1 << 16) == terminal_line(CALL, is_coloured=False)
    os.close(reader)
    os.close(writer)


def test_a_stuck_reader_does_not_block_and_what_is_written_is_whole() -> None:
    reader, writer = os.pipe()
    log = AccessLog(writer, is_terminal=False)
    for _ in range(20_000):
        log.write(CALL)
    log.flush()
    assert log.dropped > 0
    seen = b""
    while log.is_behind:
        seen += os.read(reader, 1 << 20)
        log.flush()
    os.close(writer)
    while piece := os.read(reader, 1 << 20):
        seen += piece
    os.close(reader)
    assert seen == json_line(CALL, _quoted) * (20_000 - log.dropped)


def test_a_reader_that_is_gone_costs_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = AccessLog(writer, is_terminal=False)
    log.write(CALL)
    log.flush()
    assert log.dropped == 1
    os.close(writer)
