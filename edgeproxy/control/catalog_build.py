"""Builds `data/catalog.json` from two published price lists, taken out of their wheels without installing them.

    python -m edgeproxy.control.catalog_build genai_prices-….whl litellm-….whl --date 2026-11-22

genai-prices gives prices, their dates and context windows; LiteLLM's file gives capability flags, output limits and the
models that the first does not have. Neither is imported: one is read as a syntax tree, the other is JSON.
"""

import argparse
import ast
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

GENAI_FILE = "genai_prices/data.py"
LITELLM_FILE = "litellm/model_prices_and_context_window_backup.json"
REFUSED = ("1.82.7", "1.82.8", "1.107.0")  # compromised releases of litellm
RENAMED = {"x-ai": "xai"}
LITELLM_PROVIDERS = {
    "openai": "openai", "anthropic": "anthropic", "gemini": "google", "groq": "groq", "together_ai": "together",
    "mistral": "mistral", "deepseek": "deepseek", "fireworks_ai": "fireworks", "xai": "xai", "cerebras": "cerebras",
    "nvidia_nim": "nvidia", "deepinfra": "deepinfra", "perplexity": "perplexity", "hyperbolic": "hyperbolic",
    "sambanova": "sambanova", "novita": "novita", "moonshot": "moonshotai", "zai": "zai", "cohere_chat": "cohere",
}  # fmt: skip
MODES = {"chat": "chat", "responses": "responses", "completion": "completion", "embedding": "embedding"}
SUPPORTS = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_response_schema": "schema",
    "supports_reasoning": "reasoning",
    "supports_web_search": "web_search",
}
INPUTS = {
    "supports_vision": "image",
    "supports_audio_input": "audio",
    "supports_pdf_input": "file",
    "supports_video_input": "video",
}
GENAI_RATES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "output_reasoning_mtok")
LITELLM_RATES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_reasoning_token",
)
Catalog = dict[str, dict[str, dict[str, Any]]]


def from_genai(source: str) -> Catalog:
    """Every provider and model of genai-prices' data module."""
    catalog: Catalog = {}
    for provider in _list_in(source, "providers"):
        slug = RENAMED.get(provider["id"], provider["id"])
        catalog[slug] = {model["id"]: _genai_entry(model) for model in provider["models"]}
    return catalog


def _genai_entry(model: dict[str, Any]) -> dict[str, Any]:
    rows, is_tiered = _genai_rows(model.get("prices") or [])
    entry: dict[str, Any] = {"name": model.get("name") or model["id"], "prices": rows}
    if model.get("context_window"):
        entry["context"] = model["context_window"]
    if is_tiered:
        entry["tiered"] = 1
    also = sorted({name for name in _equal_names(model.get("match")) if name != model["id"]})
    return entry | ({"also": also} if also else {})


def _genai_rows(prices: Any) -> tuple[list[list[Any]], bool]:
    """Rows of (valid from, rates…) by date; a price for some hours of a day only is left out and flagged."""
    rows: dict[str, list[Any]] = {}
    is_tiered = False
    for item in prices if isinstance(prices, list) else [{"prices": prices}]:
        constraint = item.get("constraint")
        if constraint and constraint["_"] != "StartDateConstraint":
            is_tiered = True
            continue
        rates = [item["prices"].get(name) for name in GENAI_RATES]
        is_tiered |= any(isinstance(rate, dict) for rate in rates)
        requests = item["prices"].get("requests_kcount")
        pico = [_pico(rate["base"] if isinstance(rate, dict) else rate, 10**6) for rate in rates]
        row = _row(constraint["start_date"] if constraint else "", pico, _pico(requests, 10**9))
        if row:
            rows[row[0]] = row
    return [rows[date] for date in sorted(rows)], is_tiered


def from_litellm(document: dict[str, Any]) -> Catalog:
    """The models of LiteLLM's file that a known provider serves to be talked to."""
    catalog: Catalog = {}
    for key, item in document.items():
        slug = LITELLM_PROVIDERS.get(item.get("litellm_provider", ""))
        if slug is None or item.get("mode") not in MODES:
            continue
        name = key.removeprefix(item["litellm_provider"].removesuffix("_chat") + "/")
        name = name.removeprefix("accounts/fireworks/models/")
        catalog.setdefault(slug, {})[name] = _litellm_entry(name, item)
    return catalog


def _litellm_entry(name: str, item: dict[str, Any]) -> dict[str, Any]:
    rates = [item.get(rate) for rate in LITELLM_RATES]
    # Zero for both stands there for "not known" as often as for "free".
    pico = [_pico(rate, 10**12) for rate in rates] if rates[0] or rates[1] else []
    row = _row("", pico, None)
    entry: dict[str, Any] = {"name": name, "prices": [row] if row else [], "mode": MODES[item["mode"]]}
    for field, rate in (("context", "max_input_tokens"), ("output", "max_output_tokens")):
        if isinstance(item.get(rate), int) and item[rate] > 0:
            entry[field] = item[rate]
    flags = [flag for support, flag in SUPPORTS.items() if item.get(support)]
    inputs = ["text", *(modality for support, modality in INPUTS.items() if item.get(support))]
    if any(key.startswith("input_cost_per_token_above_") for key in item):
        entry["tiered"] = 1
    return entry | ({"flags": flags} if flags else {}) | ({"in": inputs} if len(inputs) > 1 else {})


def merge(genai: Catalog, litellm: Catalog) -> Catalog:
    """genai-prices wins on prices; LiteLLM adds limits, flags and the models that only it has."""
    merged = {slug: dict(models) for slug, models in genai.items()}
    for slug, models in litellm.items():
        into = merged.setdefault(slug, {})
        names = {alias.lower(): name for name, entry in into.items() for alias in (name, *entry.get("also", ()))}
        for name, entry in models.items():
            known = names.get(name.lower())
            if known is None:
                into[name] = entry
                continue
            ours = into[known]
            into[known] = {
                **{key: entry[key] for key in ("output", "flags", "in", "mode", "context") if key in entry},
                **ours,
            }
            if not ours["prices"] and entry["prices"]:
                into[known]["prices"] = entry["prices"]
    return {slug: dict(sorted(models.items())) for slug, models in sorted(merged.items()) if models}


def build(genai_wheel: Path, litellm_wheel: Path, date: str) -> bytes:
    if any(f"-{version}-" in litellm_wheel.name for version in REFUSED):
        raise SystemExit(f"error: {litellm_wheel.name} is a compromised release")
    genai_data = zipfile.ZipFile(genai_wheel).read(GENAI_FILE)
    litellm_data = zipfile.ZipFile(litellm_wheel).read(LITELLM_FILE)
    providers = merge(from_genai(genai_data.decode()), from_litellm(orjson.loads(litellm_data)))
    document = {
        "format": 1,
        "date": date,
        "unit": "pico-dollars a token",
        "price_row": "valid from, prompt, completion, cache read, cache write, reasoning, a call",
        "sources": [
            _source(genai_wheel, GENAI_FILE, genai_data, "Pydantic Services Inc."),
            _source(litellm_wheel, LITELLM_FILE, litellm_data, "Berri AI"),
        ],
        "providers": providers,
    }
    return orjson.dumps(document) + b"\n"


def _source(wheel: Path, file: str, data: bytes, holder: str) -> dict[str, str]:
    name, version = wheel.name.split("-")[:2]
    return {
        "name": name.replace("_", "-"),
        "version": version,
        "file": file,
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "MIT",
        "holder": holder,
    }


def _pico(rate: Any, factor: int) -> int | None:
    """A rate as whole pico-dollars. Floats of the source become the decimal that they were written as."""
    if rate is None:
        return None
    pico = Decimal(str(rate)) * factor
    return int(pico.to_integral_value()) if 0 <= pico < 10**15 else None


def _row(date: str, pico: list[int | None], request: int | None) -> list[Any]:
    row = [date, *pico, request]
    while len(row) > 1 and row[-1] is None:
        row.pop()
    return row if len(row) > 1 else []


def _equal_names(match: Any) -> Iterator[str]:
    """Names that a match rule names in full; its patterns would also match what is priced differently."""
    if isinstance(match, dict):
        if match["_"] == "ClauseEquals":
            yield match["equals"]
        elif match["_"] == "ClauseOr":
            for inner in match["or_"]:
                yield from _equal_names(inner)


def _list_in(source: str, name: str) -> list[dict[str, Any]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            found = _value(node.value)
            if isinstance(found, list):
                return found
    raise SystemExit(f"error: no list `{name}` in {GENAI_FILE}")


def _value(node: ast.expr | None) -> Any:
    """Constructor calls as dicts with the class under `_`; dates and times as text; nothing is run."""
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id="Decimal"), args=[argument]):
            return Decimal(_value(argument))
        case ast.Call(func=ast.Attribute(attr="date"), args=args):
            return "{:04}-{:02}-{:02}".format(*(_value(argument) for argument in args))
        case ast.Call(func=ast.Attribute()):
            return None  # times and time zones: prices by the hour are left out
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            return {"_": name} | {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg}
        case None:
            return None
    return ast.literal_eval(node)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m edgeproxy.control.catalog_build", description=__doc__.splitlines()[0]
    )
    parser.add_argument("genai_wheel", type=Path)
    parser.add_argument("litellm_wheel", type=Path)
    parser.add_argument("--date", required=True, help="the day on which the wheels were the newest, YYYY-MM-DD")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data" / "catalog.json")
    options = parser.parse_args(arguments)
    data = build(options.genai_wheel, options.litellm_wheel, options.date)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
