"""Providers' own model names → `author/slug` ids, so that the same model of two providers is one model."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from edgeproxy.control.catalog import Catalog
from edgeproxy.control.known import BY_SLUG

# Words in a name that say: this is not talked to through /chat/completions.
_NOT_CHAT = re.compile(
    r"(?:^|[-_/.:])(?:embed|embedding|embeddings|whisper|tts|dall-e|moderation|rerank|reranker|realtime|transcribe|"
    r"image|imagen|veo|sora|flux|speech|audio|babbage|davinci|instruct-beta|guard|diffusion|ocr|lyria|aqa)(?:$|[-_/.:\d])"
)
_UNFIT = re.compile(r"[^A-Za-z0-9._:+@-]+")


def is_chat(name: str, item: Mapping[str, Any]) -> bool:
    """Whether a listed model can be talked to, by what its provider says and else by its name."""
    capabilities, architecture = item.get("capabilities"), item.get("architecture")
    if isinstance(capabilities, dict) and "completion_chat" in capabilities:
        return bool(capabilities["completion_chat"])
    if isinstance(architecture, dict) and isinstance(architecture.get("output_modalities"), list):
        return "text" in architecture["output_modalities"]
    if item.get("active") is False:
        return False
    if isinstance(item.get("type"), str) and item["type"] not in ("model", ""):
        return item["type"] in ("chat", "language", "text", "llm", "code")
    return not _NOT_CHAT.search(name.lower())


def model_id(provider: str, name: str, catalog: Catalog) -> str:
    """`gpt-x` of OpenAI is `openai/gpt-x`; a name that another author's catalog entry has gets that author."""
    known = BY_SLUG.get(provider)
    if provider == "openrouter" and name.count("/") == 1:
        return _fit(name)
    plain = name.removeprefix("models/").removeprefix("accounts/fireworks/models/")
    if known is not None and known.author and "/" not in plain:
        return _fit(f"{known.author}/{plain}")
    names_author = "/" in plain and provider != "ollama"
    if known is not None or names_author:
        found = authors(catalog).get(_key(plain.rsplit("/", 1)[-1]))
        if found is not None:
            return found
    if names_author:
        return _fit(plain.lower())
    return _fit(f"{provider}/{plain.replace('/', '-')}")


def _fit(text: str) -> str:
    """One slash, and only characters that an id may have."""
    author, _, slug = text.partition("/")
    author, slug = (_UNFIT.sub("-", part).lstrip("._:+@-") for part in (author, slug.replace("/", "-")))
    return f"{author.replace(':', '-').replace('+', '-').replace('@', '-') or 'unknown'}/{slug or 'model'}"[:200]


@lru_cache(maxsize=4)
def authors(catalog: Catalog) -> dict[str, str]:
    """Spelling-free slug → id, from the ids of the one provider that lists everyone's models by author."""
    ids: dict[str, str] = {}
    for name in catalog.models("openrouter"):
        if name.count("/") == 1 and ":" not in name:
            ids.setdefault(_key(name.split("/")[1]), name)
    return ids


def _key(slug: str) -> str:
    """`Llama-3.3-70B`, `llama-v3p3-70b` and `llama3.3:70b` are one spelling."""
    text = re.sub(r"(\d)p(\d)", r"\1.\2", slug.lower())
    text = re.sub(r"(?<![a-z])v(?=\d)", "", text)
    return re.sub(r"[^a-z0-9]", "", text)
