# ruff: noqa: RUF009  a call to `option` is what declares a key
"""Every key of the configuration file, once: its type, default and meaning.

The reader, the JSON Schema, the reference in `docs/` and `config show` are all made from these declarations.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any

from edgeproxy.control.config.kinds import (
    Address,
    AddressKind,
    Boolean,
    Choice,
    Digest,
    Duration,
    HeaderValue,
    Integer,
    Kind,
    Moment,
    Number,
    PriceText,
    SecretText,
    Share,
    Size,
    Text,
    Url,
)
from edgeproxy.control.config.shapes import AnyKind, Either, Items, Object, Table
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import LaneLimits, Queue, Timeouts

MAX_LANES = 64  # a model's candidates are one machine word of bits


@dataclass(frozen=True, slots=True)
class Option:
    """One key as declared."""

    name: str
    kind: AnyKind
    doc: str
    default: Any
    shown_default: str
    is_required: bool


def option(
    kind: AnyKind, doc: str, default: Any = MISSING, *, make: Callable[[], Any] | None = None, shown: str = ""
) -> Any:
    """A dataclass field that is a key of the file. Without default and `make` it is required."""
    metadata = {"kind": kind, "doc": doc, "shown": shown}
    if make is not None:
        return field(default_factory=make, metadata=metadata)
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def options_of(cls: type[Any]) -> dict[str, Option]:
    """The keys that `cls` declares, in order."""
    found = _DECLARED.get(cls)
    if found is None:
        found = _DECLARED[cls] = {item.name: _option_of(item) for item in fields(cls)}
    return found


_DECLARED: dict[type[Any], dict[str, Option]] = {}


def _option_of(item: Any) -> Option:
    kind, shown = item.metadata["kind"], item.metadata["shown"]
    is_required = item.default is MISSING and item.default_factory is MISSING
    default = None if is_required or item.default is MISSING else item.default
    if not shown and default is not None and isinstance(kind, Kind):
        shown = kind.show(default)
    return Option(item.name, kind, item.metadata["doc"], default, shown, is_required)


SLUG = Text("name", r"[a-z0-9][a-z0-9._-]{0,63}", "lower-case letters, digits, `.`, `_`, `-`; at most 64", 64)
NAME = Text("name", max_length=128)
MODEL_ID = Text(
    "model id",
    r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._:+@-]*",
    "a model id such as `author/slug` or `author/slug:variant`",
    200,
)
ALIAS = Text("alias", r"[A-Za-z0-9][A-Za-z0-9._:/+@-]*", "letters, digits and `.`, `_`, `:`, `/`, `+`, `@`, `-`", 200)
TAG = Text(
    "tag", r"[a-z0-9][a-z0-9._/-]{0,127}", "the provider's name and an optional variant: `provider/variant`", 128
)
PATH = Text("path", max_length=4096)
HEADER = Text("header name", r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", "a header name", 128)
TOKENS = Integer(1, 1_000_000_000)
PARAMETER = Text("parameter", r"[a-z][a-z0-9_]{0,63}", "a request parameter such as `temperature`", 64)
MODALITY = Choice("text", "image", "file", "audio", "video", "embeddings", "speech", "transcription", "rerank")
QUANTIZATION = Choice("int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32", "unknown")
SECONDS = Duration()
_TIMES = Timeouts()
_QUEUE = Queue()
A_MINUTE = Integer(0, 1_000_000_000)
CONCURRENCY = Integer(0, 1_000_000)
BURST = Duration(0.0, 30.0)
QUEUE_CALLS = Integer(0, 100_000)
QUEUE_WAIT = Duration(0.0, 3600.0)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client may take before it is asked who it is."""

    max_body: int = option(Size(1024, 2**30), "Largest request body. A larger one gets 413.", 32 * 2**20)
    max_connections: int = option(
        Integer(1, 1_000_000), "Client connections open at a time; idle ones make room, else more wait.", 10_000
    )
    connections_per_address: int = option(
        Integer(1, 1_000_000), "Client connections open at a time from one address.", 200
    )
    header_timeout: float = option(SECONDS, "Time to send a request's line and headers.", 10.0)
    body_timeout: float = option(SECONDS, "Time to send a body, on top of one second per 64 KiB.", 15.0)
    keepalive_timeout: float = option(SECONDS, "How long an idle client connection stays open.", 75.0)
    slow_reader: float = option(
        SECONDS, "How long a client may read nothing while its reply waits; then it is cut.", 120.0
    )


@dataclass(frozen=True, kw_only=True)
class Drain:
    """What happens on SIGTERM: not ready at once, then no new connections, then no more waiting."""

    accept_for: float = option(
        Duration(0.0, 3600.0),
        "How long new calls are still served while `/readyz` says 503, so that a load balancer notices.",
        5.0,
    )
    timeout: float = option(
        Duration(0.0, 86_400.0), "How long running streams may take to end; the rest get an error event.", 300.0
    )


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the node listens, and its limits."""

    listen: Address = option(
        AddressKind(),
        "Address for calls. Loopback until you say otherwise; `:8080` is every address.",
        Address("127.0.0.1", 8080),
    )
    ops: Address = option(
        AddressKind(),
        "Address for metrics, health, reload and the console. Keep it private.",
        Address("127.0.0.1", 8081),
    )
    workers: int = option(Integer(1, 64, "auto"), "Processes that relay. `auto`: as many as the node may use cores.", 0)
    door: str = option(
        Choice("express", "aiohttp"),
        "What takes client connections: `express` is compiled and cheap, `aiohttp` is the reference.",
        "express",
    )
    memory_limit: int | None = option(
        Size(64 * 2**20, 2**50),
        "Memory of all processes. Towards it large bodies are refused, then calls, then the largest are ended.",
        None,
        shown="the control group's limit, if any",
    )
    watch: bool = option(
        Boolean(), "Reload when this file, or a file that it names, changes. Looked at once a second.", False
    )
    limits: Limits = option(Object(Limits), "Limits on client connections.", make=Limits)
    drain: Drain = option(Object(Drain), "Shutting down without breaking streams.", make=Drain)


@dataclass(frozen=True, kw_only=True)
class Log:
    """One line a call. Never prompts, never secrets."""

    access: str = option(PATH, "Where access lines go: `stdout`, or the path of a file.", "stdout")
    format: str = option(Choice("auto", "json", "text"), "`auto`: readable on a terminal, JSON otherwise.", "auto")


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """Calls that wait while every lane is at its limits. A model inherits what it does not set."""

    calls: int | None = option(
        QUEUE_CALLS, "How many of a model may wait, on the whole node; 0 is no queue.", None, shown=str(_QUEUE.calls)
    )
    wait: float | None = option(
        QUEUE_WAIT, "How long each may wait; 0 is no queue.", None, shown=QUEUE_WAIT.show(_QUEUE.wait_s)
    )


@dataclass(frozen=True, kw_only=True)
class Routing:
    """How a call moves on when an attempt fails."""

    attempts: int = option(Integer(1, 10), "Attempts a call may make, each at another lane.", 3)
    retry_budget: int = option(
        Share(), "Share of calls that may be retried, for the node and for each model; 3 at a time always may.", 200_000
    )
    deadline: float = option(SECONDS, "For a whole call, whatever it tries. A client may ask for less.", 600.0)
    queue: QueueOptions = option(Object(QueueOptions), "Waiting for a lane that is at its limits.", make=QueueOptions)


@dataclass(frozen=True, kw_only=True)
class TimeoutOptions:
    """Deadlines of an attempt. A provider inherits what it does not set."""

    connect: float | None = option(SECONDS, "To open a TCP connection.", None, shown=SECONDS.show(_TIMES.connect_s))
    tls: float | None = option(SECONDS, "For the TLS handshake.", None, shown=SECONDS.show(_TIMES.tls_s))
    send: float | None = option(
        SECONDS, "To send the request, on top of one second a MiB.", None, shown=SECONDS.show(_TIMES.send_s)
    )
    first_event: float | None = option(
        SECONDS,
        "Until the first event of a stream that means something.",
        None,
        shown=SECONDS.show(_TIMES.first_event_s),
    )
    answer: float | None = option(
        SECONDS, "For a whole answer that is not streamed.", None, shown=SECONDS.show(_TIMES.answer_s)
    )
    stall: float | None = option(SECONDS, "Between two events of a stream.", None, shown=SECONDS.show(_TIMES.stall_s))
    comments: float | None = option(
        SECONDS, "How long comments alone keep a stream alive.", None, shown=SECONDS.show(_TIMES.comments_s)
    )
    whole: float | None = option(SECONDS, "For the whole attempt.", None, shown=SECONDS.show(_TIMES.whole_s))


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What Prometheus sees."""

    max_pairs: int = option(
        Integer(1, 10_000),
        "Pairs of model and provider with series of their own; the rest are counted as `other`.",
        300,
    )


@dataclass(frozen=True, kw_only=True)
class CredentialOptions:
    """One of several keys of a provider. Each makes lanes that fail and recover alone."""

    name: str = option(SLUG, "Its name in logs and metrics.")
    api_key: Secret = option(SecretText(), "The key: `${VAR}` or `${file:/path}` rather than the text itself.")


@dataclass(frozen=True, kw_only=True)
class ProviderOptions:
    """A company or server that serves models."""

    name: str = option(SLUG, "Its name, and the start of its endpoints' tags.")
    title: str | None = option(NAME, "Its name for people.", None, shown="made from `name`")
    dialect: str = option(Choice("openai-chat"), "The wire format that it speaks.", "openai-chat")
    base_url: str | None = option(
        Url(), "What goes before `/chat/completions`. Known providers need none.", None, shown="by `name`, where known"
    )
    api_key: Secret | None = option(SecretText(), "Its key: `${VAR}` or `${file:/path}`. Leave out for none.", None)
    credentials: tuple[CredentialOptions, ...] = option(
        Items(Object(CredentialOptions), MAX_LANES), "Several keys, instead of `api_key`.", ()
    )
    ca_file: str | None = option(PATH, "CA certificates (PEM) to trust instead of the system's.", None)
    headers: dict[str, Secret] = option(Table(HEADER, HeaderValue(), 32), "Headers to add to every request.", make=dict)
    timeouts: TimeoutOptions = option(Object(TimeoutOptions), "Deadlines of its own.", make=TimeoutOptions)
    sends_usage: bool = option(Boolean(), "It understands `stream_options.include_usage`.", True)
    requests_per_minute: int = option(
        A_MINUTE, "Calls a minute at each lane: a credential at a model; 0 is no limit.", 0
    )
    tokens_per_minute: int = option(A_MINUTE, "Tokens a minute at each lane, of prompts and answers; 0 is no limit.", 0)
    max_concurrency: int = option(CONCURRENCY, "Calls at a time at each lane; 0 is no limit.", 0)
    burst: float = option(
        BURST, "So many seconds' worth of a minute's limit may go at once; the rest is spread.", LaneLimits().burst_s
    )
    discover: bool = option(Boolean(), "Ask it for its models at start and on reload, and serve them all.", False)


@dataclass(frozen=True, kw_only=True)
class PriceOptions:
    """List price in USD, as decimal text: per token (`request`: per call)."""

    prompt: int = option(PriceText(), "A prompt token.")
    completion: int = option(PriceText(), "A completion token.")
    request: int = option(PriceText(), "A call, on top of its tokens.", 0)
    input_cache_read: int | None = option(
        PriceText(), "A prompt token read from the provider's cache.", None, shown="as `prompt`"
    )
    input_cache_write: int | None = option(PriceText(), "A prompt token written to it.", None, shown="as `prompt`")
    internal_reasoning: int | None = option(PriceText(), "A reasoning token.", None, shown="as `completion`")


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """One provider's deployment of a model."""

    provider: str = option(SLUG, "Name of a provider of this file.")
    model: str | None = option(Text("text"), "The provider's own name of the model.", None, shown="the model's id")
    weight: float = option(Number(0.0, 1e6), "Its share of calls beside the others, before price and health.", 1.0)
    price: PriceOptions | str | None = option(
        Either(Choice("unknown"), Object(PriceOptions)),
        "Its price. `unknown` is never taken for free.",
        None,
        shown="from the catalog, else unknown",
    )
    tag: str | None = option(
        TAG, "What clients name it by in `provider.order`.", None, shown="from `provider` and `quantization`"
    )
    context_length: int | None = option(TOKENS, "Tokens of prompt and answer together.", None, shown="the model's")
    max_completion_tokens: int | None = option(TOKENS, "Tokens of an answer.", None, shown="from the catalog")
    quantization: str | None = option(QUANTIZATION, "Precision of its weights.", None)
    supported_parameters: tuple[str, ...] = option(
        Items(PARAMETER, 100), "Request parameters that it understands.", (), shown="from the catalog"
    )
    requests_per_minute: int | None = option(A_MINUTE, "Calls a minute at each lane.", None, shown="the provider's")
    tokens_per_minute: int | None = option(A_MINUTE, "Tokens a minute at each lane.", None, shown="the provider's")
    max_concurrency: int | None = option(CONCURRENCY, "Calls at a time at each lane.", None, shown="the provider's")
    burst: float | None = option(BURST, "What may go at once of a minute's limit.", None, shown="the provider's")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What a client names."""

    id: str = option(MODEL_ID, "What clients write in `model`.")
    endpoints: tuple[EndpointOptions, ...] = option(
        Items(Object(EndpointOptions), MAX_LANES),
        f"Who serves it; at most {MAX_LANES} lanes (endpoints times credentials).",
    )
    aliases: tuple[str, ...] = option(Items(ALIAS, 32), "Other names that clients may use.", ())
    name: str | None = option(NAME, "Its name for people.", None, shown="from the catalog")
    description: str | None = option(Text("text", max_length=4000), "A sentence about it.", None)
    created: int | None = option(Moment(), "When it was published.", None)
    context_length: int | None = option(TOKENS, "Tokens of prompt and answer together.", None, shown="from the catalog")
    input_modalities: tuple[str, ...] = option(
        Items(MODALITY, 9), "What it reads.", (), shown="from the catalog, else text"
    )
    output_modalities: tuple[str, ...] = option(Items(MODALITY, 9), "What it writes.", ("text",), shown="text")
    tokenizer: str = option(NAME, "Family of its tokenizer.", "Other")
    hugging_face_id: str | None = option(Text("text"), "Its name on Hugging Face.", None)
    queue: QueueOptions = option(
        Object(QueueOptions), "Waiting for its lanes; by default as in `routing`.", make=QueueOptions
    )


@dataclass(frozen=True, kw_only=True)
class KeyOptions:
    """Who may call. `edgeproxy keys make` prints a new key and its digest."""

    name: str = option(NAME, "Its name in logs.")
    sha256: str | None = option(Digest(), "SHA-256 of the key's text. This or `key`.", None)
    key: Secret | None = option(
        SecretText(), "The key itself, from a variable or a file; only its digest is kept.", None
    )
    org: str = option(SLUG, "Who its calls belong to.", "default")
    keepalive_comments: bool = option(Boolean(), "Send comments while a stream waits for its first event.", True)
    expires_at: int | None = option(Moment(), "When it ends.", None, shown="never")
    disabled: bool = option(Boolean(), "Refuse it.", False)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole file."""

    server: Server = option(Object(Server), "Where the node listens, and its limits.", make=Server)
    fee_rate: int = option(
        Share(), "Platform fee on top of the provider's price, shown as a number of its own.", 50_000
    )
    log: Log = option(Object(Log), "The access log.", make=Log)
    routing: Routing = option(Object(Routing), "How a call moves on when an attempt fails.", make=Routing)
    timeouts: TimeoutOptions = option(Object(TimeoutOptions), "Deadlines of an attempt.", make=TimeoutOptions)
    metrics: Metrics = option(Object(Metrics), "What Prometheus sees.", make=Metrics)
    providers: tuple[ProviderOptions, ...] = option(Items(Object(ProviderOptions), 1000), "Who serves models.", ())
    models: tuple[ModelOptions, ...] = option(Items(Object(ModelOptions), 20_000), "What clients may name.", ())
    keys: tuple[KeyOptions, ...] = option(Items(Object(KeyOptions), 100_000), "Who may call.", ())


@cache
def all_names() -> frozenset[str]:
    """Every key that stands somewhere in the file."""
    return frozenset(name for options in _every(Config) for name in options)


def _every(cls: type[Any]) -> Iterator[dict[str, Option]]:
    yield options_of(cls)
    for option in options_of(cls).values():
        match option.kind:
            case Object(cls=inner) | Items(of=Object(cls=inner)) | Either(other=Object(cls=inner)):
                yield from _every(inner)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the processes need besides the snapshot."""

    server: Server = field(default_factory=Server)
    log: Log = field(default_factory=Log)
    routing: Routing = field(default_factory=Routing)
    metrics: Metrics = field(default_factory=Metrics)
