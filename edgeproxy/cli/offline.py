"""Verbs that need no running node: check, config, models, keys, completion."""

import argparse
import json
import os
import sys
import time

from edgeproxy.cli import completion
from edgeproxy.cli.output import is_coloured, note, table
from edgeproxy.control.catalog import CatalogModel, shipped_catalog
from edgeproxy.control.config import ConfigRejected, Problem, load_config, render
from edgeproxy.control.config.load import defaults_from
from edgeproxy.control.config.problems import render_github, render_json
from edgeproxy.control.config.schema import json_schema_text
from edgeproxy.control.config.show import show
from edgeproxy.control.keys import digest, make_key
from edgeproxy.domain.money import Price, dollars_from_pico
from edgeproxy.domain.snapshot import Model, Snapshot

A_MILLION = 1_000_000


def check(options: argparse.Namespace) -> int:
    try:
        loaded = load_config(options.file)
    except ConfigRejected as rejected:
        _print_problems(rejected.problems, options.format)
        return 1
    _print_problems(loaded.warnings, options.format)
    if options.format == "human":
        print(f"{options.file}: valid ({_counts(loaded.snapshot)})")
    return 0


def _counts(snapshot: Snapshot) -> str:
    lanes = sum(len(endpoint.lanes) for model in snapshot.models for endpoint in model.endpoints)
    counts = {"model": len(snapshot.models), "lane": lanes}
    counts |= {"provider": len(snapshot.providers), "key": len(snapshot.keys)}
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _print_problems(problems: tuple[Problem, ...], format: str) -> None:
    """For machines on stdout, where the result goes; for people on stderr."""
    if format == "json":
        print(render_json(problems))
    elif format == "github":
        for problem in problems:
            print(render_github(problem))
    else:
        for problem in problems:
            note(render(problem, is_coloured=is_coloured(sys.stderr)))


def config(options: argparse.Namespace) -> int:
    if options.config_verb == "schema":
        sys.stdout.write(json_schema_text().decode())
        return 0
    if options.config is None:
        values, origins = defaults_from(os.environ)
    else:
        loaded = load_config(options.config)
        values, origins = loaded.config, loaded.origins
    sys.stdout.write(show(values, origins, with_origin=options.origin))
    return 0


def models(options: argparse.Namespace) -> int:
    catalog = shipped_catalog()
    if options.catalog_version:
        sources = ", ".join(f"{source['name']} {source['version']}" for source in catalog.sources)
        print(f"catalog {catalog.date}  sha256 {catalog.digest}  {catalog.size()} models  from {sources}")
        return 0
    rows = _configured(options) if options.config else _listed(options.provider)
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    header = ("MODEL", "PROVIDER", "PROMPT $/M", "COMPLETION $/M", "CONTEXT", "OUTPUT")
    names = ("model", "provider", "prompt", "completion", "context_length", "max_completion_tokens")
    cells = [tuple(_cell(name, row[name]) for name in names) for row in rows]
    print("\n".join(table([header, *cells])))
    return 0


def _cell(name: str, value: str | int | None) -> str:
    if name not in ("prompt", "completion"):
        return "" if value is None else str(value)
    return "unknown" if value is None else _per_million(str(value))


def _per_million(dollars: str) -> str:
    whole, _, part = dollars.partition(".")
    return dollars_from_pico(int(whole + part.ljust(12, "0")) * A_MILLION)


Row = dict[str, str | int | None]


def _listed(provider: str | None) -> list[Row]:
    catalog, now = shipped_catalog(), time.time()
    rows: list[Row] = []
    for slug in catalog.providers if provider is None else (provider,):
        for name in catalog.models(slug):
            entry = catalog.find(slug, name)
            if entry is not None:
                rows.append(_catalog_row(slug, entry, now))
    return rows


def _catalog_row(provider: str, entry: CatalogModel, now: float) -> Row:
    limits: Row = {"context_length": entry.context_length, "max_completion_tokens": entry.max_completion_tokens}
    return {"model": entry.id, "provider": provider, **_prices(entry.price(now)), **limits}


def _configured(options: argparse.Namespace) -> list[Row]:
    loaded = load_config(options.config)
    return [
        row
        for model in loaded.snapshot.models
        for row in _model_rows(model)
        if options.provider in (None, row["provider"])
    ]


def _model_rows(model: Model) -> list[Row]:
    return [
        {
            "model": model.id,
            "provider": endpoint.provider,
            **_prices(endpoint.price),
            "context_length": endpoint.context_length,
            "max_completion_tokens": endpoint.max_completion_tokens,
        }
        for endpoint in model.endpoints
    ]


def _prices(price: Price) -> Row:
    """Dollars a token as text; None is unknown."""
    amounts = {"prompt": price.prompt, "completion": price.completion}
    return {name: None if pico is None else dollars_from_pico(pico) for name, pico in amounts.items()}


def keys(options: argparse.Namespace) -> int:
    key = make_key()
    if options.json:
        print(json.dumps({"key": key, "sha256": digest(key)}))
    else:
        print(f"key     {key}\nsha256  {digest(key)}")
        note("hint: give the key to its user, it is shown once; write the digest under `keys:` of the configuration")
    return 0


def print_completion(options: argparse.Namespace) -> int:
    sys.stdout.write(completion.script(options.shell))
    return 0
