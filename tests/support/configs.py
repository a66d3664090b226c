"""A good configuration, and short ways to load a changed one."""

from collections.abc import Mapping, Sequence

import orjson

from edgeproxy.control.catalog import Catalog, catalog_from
from edgeproxy.control.config import ConfigRejected, Loaded, Problem, load_text

GOOD = """\
server: { listen: "127.0.0.1:8080", ops: "127.0.0.1:8081", limits: { max_body: 1MiB } }
fee_rate: 0.05
routing:
  attempts: 2
providers:
  - name: alpha
    base_url: http://127.0.0.1:9101/v1
    api_key: ${ALPHA_KEY}
    headers: { X-Team: "blue" }
    timeouts: { first_event: 5s }
  - name: beta
    base_url: https://beta.example/v1
    credentials:
      - { name: one, api_key: "${BETA_ONE}" }
      - { name: two, api_key: "${BETA_TWO:-beta-two-default}" }
models:
  - id: author/slug
    aliases: [short]
    endpoints:
      - { provider: alpha, model: m-1, price: { prompt: "0.0000001", completion: "0.0000002" } }
      - { provider: beta, model: m-1, weight: 2, price: unknown, quantization: fp8 }
keys:
  - { name: team, key: "${TEAM_KEY}" }
  - name: other
    sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
"""
ENVIRON = {
    "ALPHA_KEY": "sk-canary-alpha-5f2d1c",
    "BETA_ONE": "sk-canary-beta-9e8b7a",
    "TEAM_KEY": "sk-canary-team-0a1b2c3d4e5f",
}
EMPTY_CATALOG: Catalog = catalog_from(orjson.dumps({"date": "2026-01-01", "sources": [], "providers": {}}))


def load(
    text: str | bytes = GOOD,
    environ: Mapping[str, str] = ENVIRON,
    flags: Sequence[tuple[str, str, str]] = (),
    catalog: Catalog = EMPTY_CATALOG,
) -> Loaded:
    data = text.encode() if isinstance(text, str) else text
    return load_text(data, "edgeproxy.yaml", environ=environ, flags=flags, catalog=catalog)


def problems(text: str | bytes, environ: Mapping[str, str] = ENVIRON) -> list[Problem]:
    """Why the text is refused; no problem at all when it is not."""
    try:
        load(text, environ)
    except ConfigRejected as rejected:
        return [problem for problem in rejected.problems if not problem.is_warning]
    return []


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert old in text, f"not in the configuration: {old}"
    return text.replace(old, new, 1)
