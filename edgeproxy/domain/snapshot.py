"""The immutable view (models, providers, keys, policies) that the data plane reads.

`control` builds it, the supervisor gives every identity its slots in shared memory, a worker swaps it in with one
assignment. `slot` fields are indices into the tables of `_core`; -1 means "not placed yet".
"""

from dataclasses import dataclass, field

from edgeproxy.domain.money import Price
from edgeproxy.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `send_s` grows by one second a MiB of body. See reliability: deadlines."""

    connect_s: float = 3.0
    tls_s: float = 5.0
    send_s: float = 10.0
    first_event_s: float = 30.0
    answer_s: float = 300.0  # a whole answer that is not streamed
    stall_s: float = 60.0
    comments_s: float = 180.0
    whole_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Provider:
    """A company or server that serves models. `slug` is its identity; `host` is the slot of its host scope."""

    slug: str
    name: str
    dialect: str
    base_url: str  # scheme://host[:port]/path, no trailing slash
    ca_file: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # values may be secrets
    timeouts: Timeouts = field(default_factory=Timeouts)
    sends_usage: bool = True  # understands stream_options.include_usage
    source: str = ""  # where its credential came from, for people: "OPENAI_API_KEY", "edgeproxy.yaml"
    host_slot: int = -1

    # The public face, contract 1.4 GET /providers
    status_page_url: str | None = None
    privacy_policy_url: str | None = None
    terms_of_service_url: str | None = None
    headquarters: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """An endpoint together with one credential. `identity` is stable over reloads and restarts."""

    identity: str  # "provider/credential-name/model-id/tag"
    credential: str  # the credential's name, never its text
    secret: Secret | None
    slot: int = -1


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What each lane of an endpoint takes; 0: no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_concurrency: int = 0
    burst_s: float = 1.0  # so many seconds' worth of a minute's limit may go at once

    @property
    def has_rate(self) -> bool:
        return self.requests_per_minute > 0 or self.tokens_per_minute > 0


@dataclass(frozen=True, slots=True)
class Queue:
    """How many calls of a model may wait on the node while its lanes are at their limits, and how long each."""

    calls: int = 100
    wait_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider's deployment of one model."""

    identity: str  # "provider/model-id/tag"
    provider: str
    model: str  # the provider's own name of the model
    tag: str
    price: Price
    lanes: tuple[Lane, ...]
    weight: float = 1.0
    context_length: int | None = None
    max_completion_tokens: int | None = None
    quantization: str | None = None
    supported_parameters: tuple[str, ...] = ()
    limits: LaneLimits = field(default_factory=LaneLimits)
    slot: int = -1


@dataclass(frozen=True, slots=True)
class Model:
    """What a client names."""

    id: str
    name: str
    endpoints: tuple[Endpoint, ...]
    created: int = 0
    description: str = ""
    context_length: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    supported_parameters: tuple[str, ...] = ()
    tokenizer: str = "Other"
    hugging_face_id: str | None = None
    queue: Queue = field(default_factory=Queue)
    slot: int = -1  # of its retry budget


@dataclass(frozen=True, slots=True)
class Key:
    """Who may call, found by the SHA-256 of the key's text."""

    sha256: str  # lowercase hex
    name: str
    label: str = ""  # first 12 characters, "...", last 3; "" when only the digest is known
    org: str = "default"
    keepalive_comments: bool = True
    is_disabled: bool = False
    expires_at: int | None = None  # Unix seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a worker needs to serve, and nothing else."""

    digest: str  # of the configuration and catalog that made it
    models: tuple[Model, ...]
    providers: tuple[Provider, ...]
    keys: tuple[Key, ...]
    fee_ppm: int = 50_000
    aliases: tuple[tuple[str, str], ...] = ()  # other names a client may use → model id
