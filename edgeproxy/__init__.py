"""edgeproxy: one OpenAI-compatible endpoint over many model providers."""

__version__ = "0.1.0"
