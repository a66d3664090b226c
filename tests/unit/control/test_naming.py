"""Providers' own names become `author/slug`."""

import re

import pytest

from edgeproxy.control.catalog import shipped_catalog
from edgeproxy.control.config.options import MODEL_ID
from edgeproxy.control.naming import is_chat, model_id


@pytest.mark.parametrize(
    ("provider", "name", "id"),
    [
        ("openai", "gpt-6-luna", "openai/gpt-6-luna"),
        ("google", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("mistral", "mistral-large-latest", "mistralai/mistral-large-latest"),
        ("xai", "grok-4.3", "x-ai/grok-4.3"),
        ("openrouter", "deepseek/deepseek-chat-v3.1:free", "deepseek/deepseek-chat-v3.1:free"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("cerebras", "gpt-oss-120b", "openai/gpt-oss-120b"),
        ("deepinfra", "Qwen/Qwen3-235B-A22B", "qwen/qwen3-235b-a22b"),
        ("ollama", "llama3:8b", "ollama/llama3:8b"),
        ("ollama", "hf.co/some/Model:Q4", "ollama/hf.co-some-Model:Q4"),
        ("local", "smollm2-135m", "local/smollm2-135m"),
        ("local", "Author/Name", "author/name"),
        ("local", "Qwen/Qwen3-235B-A22B", "qwen/qwen3-235b-a22b"),
        ("ollama", "user/model:tag", "ollama/user-model:tag"),
    ],
)
def test_an_id_names_author_and_slug(provider: str, name: str, id: str) -> None:
    assert model_id(provider, name, shipped_catalog()) == id


@pytest.mark.parametrize(
    "name", ["a b c", "../../x", "ft:gpt:org::id", "é", "/", "//", "x" * 300, "-", "a//b", "\u202e"]
)
@pytest.mark.parametrize("provider", ["openai", "openrouter", "groq", "ollama", "local"])
def test_any_name_becomes_an_id_that_the_configuration_would_take(provider: str, name: str) -> None:
    id = model_id(provider, name, shipped_catalog())
    assert re.fullmatch(MODEL_ID.pattern, id)
    assert len(id) <= 200


@pytest.mark.parametrize("name", ["gpt-6-luna", "llama-3.3-70b-versatile", "smollm2", "codestral-2508"])
def test_names_that_can_be_talked_to(name: str) -> None:
    assert is_chat(name, {})


@pytest.mark.parametrize(
    "name",
    ["text-embedding-3-small", "whisper-1", "tts-1-hd", "dall-e-3", "omni-moderation-latest", "gpt-realtime",
     "gpt-4o-transcribe", "gpt-image-1", "meta-llama/llama-guard-4-12b", "sora-2", "babbage-002"],
)  # fmt: skip
def test_names_that_cannot(name: str) -> None:
    assert not is_chat(name, {})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"capabilities": {"completion_chat": False}}, False),
        ({"capabilities": {"completion_chat": True}}, True),
        ({"architecture": {"output_modalities": ["image"]}}, False),
        ({"active": False}, False),
        ({"type": "embedding"}, False),
        ({"type": "chat"}, True),
        ({"type": "model"}, True),
    ],
)
def test_what_the_provider_says_wins(item: dict[str, object], expected: bool) -> None:
    assert is_chat("some-name", item) is expected
