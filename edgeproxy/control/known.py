"""Providers that edgeproxy knows by name: their variable, base URL, and name in the catalog.

Base URLs are the providers' documented OpenAI-compatible ones.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Known:
    """`author`: who publishes its models, where its own names do not say so (`gpt-…` → `openai/gpt-…`)."""

    slug: str
    name: str
    base_url: str
    variables: tuple[str, ...]
    author: str = ""
    base_url_variable: str = ""
    list_path: str = "/models"
    list_key_header: str = ""  # where its model list wants the key, besides Authorization
    list_headers: tuple[tuple[str, str], ...] = ()


KNOWN = (
    Known("openai", "OpenAI", "https://api.openai.com/v1", ("OPENAI_API_KEY",), "openai", "OPENAI_BASE_URL"),
    Known(
        "anthropic",
        "Anthropic",
        "https://api.anthropic.com/v1",
        ("ANTHROPIC_API_KEY",),
        "anthropic",
        list_path="/models?limit=1000",  # its own API lists; only its chat route speaks OpenAI
        list_key_header="x-api-key",
        list_headers=(("anthropic-version", "2023-06-01"),),
    ),
    Known(
        "google",
        "Google AI Studio",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "google",
    ),
    Known("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",)),
    Known("groq", "Groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",)),
    Known("together", "Together", "https://api.together.ai/v1", ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY")),
    Known("mistral", "Mistral", "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), "mistralai"),
    Known("deepseek", "DeepSeek", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), "deepseek"),
    Known("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",)),
    Known("xai", "xAI", "https://api.x.ai/v1", ("XAI_API_KEY",), "x-ai"),
    Known("cerebras", "Cerebras", "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",)),
    Known("nvidia", "NVIDIA", "https://integrate.api.nvidia.com/v1", ("NVIDIA_API_KEY",)),
    Known("deepinfra", "DeepInfra", "https://api.deepinfra.com/v1/openai", ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN")),
    Known("perplexity", "Perplexity", "https://api.perplexity.ai", ("PERPLEXITY_API_KEY",), "perplexity"),
    Known("hyperbolic", "Hyperbolic", "https://api.hyperbolic.xyz/v1", ("HYPERBOLIC_API_KEY",)),
    Known("sambanova", "SambaNova", "https://api.sambanova.ai/v1", ("SAMBANOVA_API_KEY",)),
    Known("novita", "Novita", "https://api.novita.ai/v3/openai", ("NOVITA_API_KEY",)),
)
BY_SLUG = {known.slug: known for known in KNOWN}
_BY_HOST = {urlsplit(known.base_url).hostname: known for known in KNOWN} | {"api.together.xyz": BY_SLUG["together"]}


def known_at(base_url: str) -> Known | None:
    """The known provider that a base URL belongs to."""
    return _BY_HOST.get(urlsplit(base_url).hostname)
