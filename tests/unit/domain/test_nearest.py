"""The nearest names: right for typing mistakes, quick for any text."""

import time

import pytest

from edgeproxy.domain.nearest import Nearest

NAMES = ("openai/gpt-6-luna", "openai/gpt-6-sol", "anthropic/claude-opus-5.5", "smollm/smollm2-135m")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("gpt-6-lunar", "openai/gpt-6-luna"),
        ("openai/gpt6-sol", "openai/gpt-6-sol"),
        ("CLAUDE-OPUS", "anthropic/claude-opus-5.5"),
        ("smolm2-135m", "smollm/smollm2-135m"),
    ],
)
def test_a_mistake_finds_its_name(text: str, first: str) -> None:
    assert Nearest(NAMES).find(text)[0] == first


@pytest.mark.parametrize("text", ["", "zzzzzz", "\x00", "x" * 100_000])
def test_what_looks_like_nothing_finds_nothing(text: str) -> None:
    assert Nearest(NAMES).find(text) == []


def test_ten_thousand_names_are_searched_quickly() -> None:
    nearest = Nearest(f"author-{index % 50}/model-{index}-instruct" for index in range(10_000))
    started_at = time.perf_counter()
    assert "author-7/model-4207-instruct" in nearest.find("author-7/model-4207-instrct")
    assert time.perf_counter() - started_at < 0.5
