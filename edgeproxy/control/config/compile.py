"""A configuration that reads well → the snapshot, with what only shows when its parts are seen together."""

import hashlib
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from edgeproxy.control.catalog import Catalog, CatalogModel
from edgeproxy.control.config.digest import digest_of
from edgeproxy.control.config.options import (
    MAX_LANES,
    Config,
    EndpointOptions,
    KeyOptions,
    ModelOptions,
    PriceOptions,
    ProviderOptions,
    QueueOptions,
    TimeoutOptions,
)
from edgeproxy.control.config.problems import did_you_mean
from edgeproxy.control.config.reader import Path, Reader
from edgeproxy.control.keys import digest, label
from edgeproxy.control.known import BY_SLUG, known_at
from edgeproxy.domain.money import Price
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Endpoint, Key, Lane, LaneLimits, Model, Provider, Queue, Snapshot, Timeouts

OWNED_HEADERS = frozenset(
    {
        "authorization", "connection", "content-length", "content-type", "host", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def compile_config(config: Config, reader: Reader, catalog: Catalog) -> Snapshot:
    """Problems go to `reader`; a snapshot made while there are any must not be used."""
    compiler = _Compiler(config, reader, catalog)
    providers = tuple(compiler.provider(item, ("providers", i)) for i, item in enumerate(config.providers))
    models = tuple(compiler.model(item, ("models", i)) for i, item in enumerate(config.models))
    keys = tuple(compiler.key(item, ("keys", i)) for i, item in enumerate(config.keys))
    aliases = tuple((alias, model.id) for model in config.models for alias in model.aliases)
    compiler.names()
    compiler.advise()
    snapshot = Snapshot("", models, providers, keys, config.fee_rate, aliases)
    return replace(snapshot, digest=digest_of(snapshot, catalog.digest))


def timeouts_from(options: TimeoutOptions, inherited: Timeouts) -> Timeouts:
    given = {item.name: getattr(options, item.name) for item in fields(options)}
    return replace(inherited, **{f"{name}_s": value for name, value in given.items() if value is not None})


def queue_from(options: QueueOptions, inherited: Queue) -> Queue:
    calls = inherited.calls if options.calls is None else options.calls
    return Queue(calls, inherited.wait_s if options.wait is None else options.wait)


def limits_of(provider: ProviderOptions, endpoint: EndpointOptions | None = None) -> LaneLimits:
    """Of each lane: the endpoint's own, key by key, else the provider's."""

    def either(name: str) -> Any:
        own = getattr(endpoint, name, None)
        return getattr(provider, name) if own is None else own

    return LaneLimits(*map(either, ("requests_per_minute", "tokens_per_minute", "max_concurrency", "burst")))


def credentials_of(provider: ProviderOptions) -> tuple[tuple[str, Secret | None], ...]:
    if provider.credentials:
        return tuple((credential.name, credential.api_key) for credential in provider.credentials)
    return (("default", provider.api_key),)


def lanes_for(endpoint: str, provider: str, credentials: Iterable[tuple[str, Secret | None]]) -> tuple[Lane, ...]:
    """`endpoint` is its identity, "provider/model-id/tag"; a lane's has the credential after the provider."""
    rest = endpoint.removeprefix(provider + "/")
    return tuple(Lane(f"{provider}/{name}/{rest}", name, secret) for name, secret in credentials)


class _Compiler:
    def __init__(self, config: Config, reader: Reader, catalog: Catalog) -> None:
        self.config = config
        self.reader = reader
        self.catalog = catalog
        self.timeouts = timeouts_from(config.timeouts, Timeouts())
        self.queue = queue_from(config.routing.queue, Queue())
        self.providers: dict[str, ProviderOptions] = {}
        self.catalog_names: dict[str, str] = {}
        self.now = time.time()

    # -- providers -------------------------------------------------------------------------------------------------

    def provider(self, item: ProviderOptions, path: Path) -> Provider:
        if item.name in self.providers:
            self.reader.report_at((*path, "name"), "two providers have this name", "give each a name of its own")
        self.providers[item.name] = item
        known = BY_SLUG.get(item.name)
        base_url = item.base_url or (known.base_url if known else "")
        if not base_url:
            hint = "add `base_url:`, what goes before /chat/completions"
            self.reader.report_at((*path, "name"), "not a provider that edgeproxy knows, and no `base_url`", hint)
        at = known_at(base_url) if base_url else None
        self.catalog_names[item.name] = at.slug if at else item.name
        self._credentials(item, path, base_url)
        self._headers(item.headers, path)
        if item.ca_file is not None:
            self._ca_file(item.ca_file, (*path, "ca_file"))
        return Provider(
            slug=item.name,
            name=item.title or (known.name if known else item.name.replace("-", " ").title()),
            dialect=item.dialect,
            base_url=base_url,
            ca_file=item.ca_file,
            headers=tuple((name, value.reveal()) for name, value in item.headers.items()),
            timeouts=timeouts_from(item.timeouts, self.timeouts),
            sends_usage=item.sends_usage,
            source=self.reader.file,
        )

    def _credentials(self, item: ProviderOptions, path: Path, base_url: str) -> None:
        if item.api_key is not None and item.credentials:
            self.reader.report_at((*path, "api_key"), "`api_key` and `credentials` exclude each other", "keep one")
        self._unique(((*path, "credentials", i, "name"), c.name) for i, c in enumerate(item.credentials))
        has_key = item.api_key is not None or bool(item.credentials)
        if has_key and base_url.startswith("http://") and not _is_loopback(base_url):
            self.reader.report_at(
                (*path, "base_url"),
                "its key travels unencrypted",
                "use https:// unless the network is yours",
                is_warning=True,
            )

    def _headers(self, headers: Mapping[str, Secret], path: Path) -> None:
        for name in headers:
            if name.lower() in OWNED_HEADERS:
                hint = "use `api_key:`" if name.lower() == "authorization" else "remove it"
                self.reader.report_at((*path, "headers", name, "name"), "edgeproxy sends this header itself", hint)

    def _ca_file(self, name: str, path: Path) -> None:
        try:
            ssl.create_default_context(cafile=name)
        except (OSError, ValueError) as error:
            reason = "not PEM certificates" if isinstance(error, ssl.SSLError) else "cannot be read"
            self.reader.report_at(path, f"CA file: {reason}", "name a readable file of PEM certificates")

    # -- models ----------------------------------------------------------------------------------------------------

    def model(self, item: ModelOptions, path: Path) -> Model:
        endpoints = tuple(self.endpoint(item, e, (*path, "endpoints", i)) for i, e in enumerate(item.endpoints))
        if not endpoints:
            self.reader.report_at((*path, "endpoints"), "no endpoint", "name at least one provider")
        lanes = sum(len(endpoint.lanes) for endpoint in endpoints)
        if lanes > MAX_LANES:
            self.reader.report_at(
                (*path, "endpoints"), f"{lanes} lanes (endpoints times credentials)", f"at most {MAX_LANES}"
            )
        self._unique(
            (((*path, "endpoints", i), e.identity) for i, e in enumerate(endpoints)),
            "two endpoints have the same provider and tag",
            "give each a `tag:` of its own, such as provider/variant",
        )
        listed = self._listed(item)
        contexts = [endpoint.context_length for endpoint in endpoints if endpoint.context_length]
        found = item.context_length or max(contexts, default=None) or (listed.context_length if listed else None)
        parameters = dict.fromkeys(name for endpoint in endpoints for name in endpoint.supported_parameters)
        return Model(
            id=item.id,
            name=item.name or (listed.name if listed else item.id),
            endpoints=endpoints,
            created=item.created or 0,
            description=item.description or "",
            context_length=found,
            input_modalities=item.input_modalities or (listed.input_modalities if listed else ("text",)),
            output_modalities=item.output_modalities or ("text",),
            supported_parameters=tuple(parameters),
            tokenizer=item.tokenizer,
            hugging_face_id=item.hugging_face_id,
            queue=queue_from(item.queue, self.queue),
        )

    def endpoint(self, model: ModelOptions, item: EndpointOptions, path: Path) -> Endpoint:
        provider = self.providers.get(item.provider)
        if provider is None:
            hint = did_you_mean(item.provider, list(self.providers), "providers of this file: ")
            self.reader.report_at(
                (*path, "provider"), "no such provider in this file", hint or "add it under `providers:`"
            )
        name = item.model or model.id
        tag = item.tag or (f"{item.provider}/{item.quantization}" if item.quantization else item.provider)
        if tag != item.provider and not tag.startswith(item.provider + "/"):
            self.reader.report_at(
                (*path, "tag"), "a tag starts with its provider's name", f"such as `{item.provider}/fast`"
            )
        listed = self.catalog.find(self.catalog_names.get(item.provider, item.provider), name)
        identity = f"{item.provider}/{model.id}/{tag}"
        return Endpoint(
            identity=identity,
            provider=item.provider,
            model=name,
            tag=tag,
            price=self._price(item, listed),
            lanes=lanes_for(identity, item.provider, credentials_of(provider) if provider else ()),
            weight=item.weight,
            context_length=item.context_length or model.context_length or (listed.context_length if listed else None),
            max_completion_tokens=item.max_completion_tokens or (listed.max_completion_tokens if listed else None),
            quantization=item.quantization,
            supported_parameters=item.supported_parameters or (listed.supported_parameters if listed else ()),
            limits=self._limits(provider, item, path),
        )

    def _limits(self, provider: ProviderOptions | None, item: EndpointOptions, path: Path) -> LaneLimits:
        limits = limits_of(provider, item) if provider else LaneLimits()
        if item.burst is not None and not limits.has_rate:
            hint = "set `requests_per_minute` or `tokens_per_minute`, or remove it"
            self.reader.report_at((*path, "burst"), "a burst of no limit does nothing", hint, is_warning=True)
        return limits

    def _price(self, item: EndpointOptions, listed: CatalogModel | None) -> Price:
        if isinstance(item.price, PriceOptions):
            price = item.price
            return Price(
                price.prompt, price.completion, price.request,
                price.input_cache_read, price.input_cache_write, price.internal_reasoning,
            )  # fmt: skip
        return Price() if item.price == "unknown" or listed is None else listed.price(self.now)

    def _listed(self, item: ModelOptions) -> CatalogModel | None:
        """What the catalog knows of a model, by whichever of its endpoints it lists."""
        for endpoint in item.endpoints:
            name = self.catalog_names.get(endpoint.provider, endpoint.provider)
            if found := self.catalog.find(name, endpoint.model or item.id):
                return found
        return None

    # -- keys ------------------------------------------------------------------------------------------------------

    def key(self, item: KeyOptions, path: Path) -> Key:
        if (item.sha256 is None) == (item.key is None):
            self.reader.report_at(path, "a key needs either `sha256` or `key`", "edgeproxy keys make prints both")
        text = item.key.reveal() if item.key else ""
        if text and len(text) < 16:
            self.reader.report_at((*path, "key"), "shorter than 16 characters", "edgeproxy keys make prints a good one")
        return Key(
            sha256=digest(text) if text else item.sha256 or hashlib.sha256().hexdigest(),
            name=item.name,
            label=label(text) if text else "",
            org=item.org,
            keepalive_comments=item.keepalive_comments,
            is_disabled=item.disabled,
            expires_at=item.expires_at,
        )

    # -- all together ----------------------------------------------------------------------------------------------

    def names(self) -> None:
        """Model ids and aliases are one set of names; so are the names and the digests of keys."""
        models = self.config.models
        ids = [(("models", i, "id"), model.id) for i, model in enumerate(models)]
        aliases = [(("models", i, "aliases", k), a) for i, m in enumerate(models) for k, a in enumerate(m.aliases)]
        self._unique([*ids, *aliases], "another model has this name", "a name belongs to one model")
        keys = self.config.keys
        self._unique(((("keys", i, "name"), key.name) for i, key in enumerate(keys)), "two keys have this name")
        digests = [digest(key.key.reveal()) if key.key else key.sha256 for key in keys]
        self._unique(((("keys", i), text) for i, text in enumerate(digests) if text), "two keys are the same key")

    def advise(self) -> None:
        """Warnings: what is allowed and probably not meant."""
        used = {endpoint.provider for model in self.config.models for endpoint in model.endpoints}
        for index, provider in enumerate(self.config.providers):
            if provider.name not in used and not provider.discover:
                hint = "name it in a model's endpoints, or set `discover: true`"
                self.reader.report_at(
                    ("providers", index, "name"), "this provider serves no model", hint, is_warning=True
                )
        self._advise_queue(self.queue, ("routing", "queue"))
        for index, model in enumerate(self.config.models):
            if model.queue != QueueOptions():
                self._advise_queue(queue_from(model.queue, self.queue), ("models", index, "queue"))
        if not self.config.keys:
            hint = "edgeproxy keys make prints a key and what to write here"
            self.reader.report_at((), "no `keys`: every call will be refused", hint, is_warning=True)

    def _advise_queue(self, queue: Queue, path: Path) -> None:
        if (queue.calls == 0) != (queue.wait_s == 0):
            zero, other = ("calls", "wait") if queue.calls == 0 else ("wait", "calls")
            hint = f"set `{zero}` too, or `{other}` to 0"
            self.reader.report_at((*path, zero), f"`{zero}` is 0, so no call waits", hint, is_warning=True)
        elif queue.wait_s > self.config.routing.deadline:
            hint = "shorten it, or lengthen `routing.deadline`"
            self.reader.report_at((*path, "wait"), "longer than a whole call may take", hint, is_warning=True)

    def _unique(
        self, values: Iterable[tuple[Path, Any]], message: str = "this name stands here already", hint: str = ""
    ) -> None:
        seen: set[Any] = set()
        for path, value in values:
            if value in seen:
                self.reader.report_at(path, message, hint)
            seen.add(value)


def _is_loopback(base_url: str) -> bool:
    host = base_url.removeprefix("http://").split("/")[0]
    return host.split(":")[0] in ("localhost", "127.0.0.1") or host.startswith(("[::1]", "127."))
