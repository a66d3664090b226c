"""Sources and their listings → models, and the snapshots of `up` and of a file with `discover: true`."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgeproxy.control.catalog import Catalog
from edgeproxy.control.config.compile import credentials_of, lanes_for, limits_of, queue_from
from edgeproxy.control.config.digest import digest_of
from edgeproxy.control.config.load import Loaded
from edgeproxy.control.config.options import MAX_LANES
from edgeproxy.control.discovery import Listed, Listing
from edgeproxy.control.environment import Source
from edgeproxy.control.keys import digest, label
from edgeproxy.control.known import known_at
from edgeproxy.control.naming import model_id
from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Endpoint, Key, Lane, Model, Provider, Queue, Snapshot

# Where the built-in model answers. Port 0 stands for the port that the application gives it when it starts it.
ECHO_BASE_URL = "http://127.0.0.1:0/v1"
ECHO_MODEL = "edgeproxy/echo"


def sources_of(loaded: Loaded) -> tuple[Source, ...]:
    """The providers of a file that are to be asked for their models."""
    options = {provider.name: provider for provider in loaded.config.providers}
    queue = queue_from(loaded.config.routing.queue, Queue())
    return tuple(
        Source(provider, credentials_of(options[provider.slug]), limits_of(options[provider.slug]), queue)
        for provider in loaded.snapshot.providers
        if provider.slug in loaded.discovering
    )


def with_discovered(
    loaded: Loaded, sources: Sequence[Source], listings: Sequence[Listing], catalog: Catalog
) -> Snapshot:
    """The file's snapshot and what its providers listed. A model that the file names stays as the file says."""
    taken = {model.id for model in loaded.snapshot.models} | {alias for alias, _ in loaded.snapshot.aliases}
    found = (model for model in models_from(sources, listings, catalog) if model.id not in taken)
    return _sealed(replace(loaded.snapshot, models=(*loaded.snapshot.models, *found)), catalog)


def snapshot_for_up(sources: Sequence[Source], listings: Sequence[Listing], key: str, catalog: Catalog) -> Snapshot:
    """What `edgeproxy up` serves: everything that was listed, or the built-in echo model when nothing was."""
    models = models_from(sources, listings, catalog)
    answering = {listing.provider for listing in listings if listing.models}
    providers = tuple(source.provider for source in sources if source.provider.slug in answering)
    if not models:
        models, providers = (_echo_model(),), (_echo_provider(),)
    owner = Key(sha256=digest(key), name="up", label=label(key))
    return _sealed(Snapshot("", models, providers, (owner,)), catalog)


def models_from(sources: Iterable[Source], listings: Iterable[Listing], catalog: Catalog) -> tuple[Model, ...]:
    """One model an id, with an endpoint for each provider that listed it."""
    by_slug = {listing.provider: listing for listing in listings}
    now = time.time()
    models: dict[str, Model] = {}
    for source in sources:
        listing = by_slug.get(source.provider.slug)
        for listed in listing.models if listing else ():
            _add(models, _model(source, listed, catalog, now))
    return tuple(models[id] for id in sorted(models))


def _add(models: dict[str, Model], model: Model) -> None:
    """A provider that lists two names of one model keeps the first."""
    known = models.get(model.id)
    if known is None:
        models[model.id] = model
        return
    providers = {endpoint.provider for endpoint in known.endpoints}
    lanes = sum(len(endpoint.lanes) for endpoint in (*known.endpoints, *model.endpoints))
    if model.endpoints[0].provider in providers or lanes > MAX_LANES:
        return
    models[model.id] = replace(
        known,
        endpoints=(*known.endpoints, *model.endpoints),
        created=known.created or model.created,
        context_length=max(known.context_length or 0, model.context_length or 0) or None,
        supported_parameters=tuple(dict.fromkeys((*known.supported_parameters, *model.supported_parameters))),
    )


def _model(source: Source, listed: Listed, catalog: Catalog, now: float) -> Model:
    provider = source.provider
    known = known_at(provider.base_url)
    id = model_id(provider.slug, listed.name, catalog)
    entry = catalog.find(known.slug if known else provider.slug, listed.name)
    context = listed.context_length or (entry.context_length if entry else None)
    parameters = entry.supported_parameters if entry else ()
    identity = f"{provider.slug}/{id}/{provider.slug}"
    endpoint = Endpoint(
        identity=identity,
        provider=provider.slug,
        model=listed.name,
        tag=provider.slug,
        price=listed.price or (entry.price(now) if entry else Price()),
        lanes=lanes_for(identity, provider.slug, source.credentials),
        context_length=context,
        max_completion_tokens=entry.max_completion_tokens if entry else None,
        supported_parameters=parameters,
        limits=source.limits,
    )
    return Model(
        id=id,
        name=listed.title or (entry.name if entry else listed.name),
        endpoints=(endpoint,),
        created=listed.created,
        context_length=context,
        input_modalities=entry.input_modalities if entry else ("text",),
        supported_parameters=parameters,
        queue=source.queue,
    )


def _echo_provider() -> Provider:
    return Provider(
        slug="echo", name="Edgeproxy", dialect="openai-chat", base_url=ECHO_BASE_URL, source="built in"
    )  # fmt: skip


def _echo_model() -> Model:
    identity = f"echo/{ECHO_MODEL}/echo"
    endpoint = Endpoint(
        identity=identity,
        provider="echo",
        model=ECHO_MODEL,
        tag="echo",
        price=Price(0, 0),
        lanes=(Lane(f"echo/default/{ECHO_MODEL}/echo", "default", None),),
        context_length=1_000_000,
        supported_parameters=("max_tokens",),
    )
    return Model(
        id=ECHO_MODEL,
        name="Edgeproxy: Echo",
        endpoints=(endpoint,),
        description="Streams the prompt back at a steady pace. Built in, free, made for trying things out.",
        context_length=1_000_000,
        supported_parameters=("max_tokens",),
    )


def _sealed(snapshot: Snapshot, catalog: Catalog) -> Snapshot:
    return replace(snapshot, digest=digest_of(replace(snapshot, digest=""), catalog.digest))
