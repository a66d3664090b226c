"""Models, endpoints and providers as the contract shows them (1.3, 1.4). Pure: values in, plain values out.

An unknown price is shown as "-1", the contract's word for a price that cannot be told beforehand, together with
`"is_price_known": false`; "0" is said only of what is free. An endpoint's unknown context length is 0.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgeproxy.domain.money import Price, dollars_from_pico
from edgeproxy.domain.snapshot import Endpoint, Model, Provider
from edgeproxy.telemetry.live import EndpointView, ModelView, Percentiles

UNKNOWN_PRICE = "-1"
Shape = dict[str, Any]


def model_entry(model: Model) -> Shape:
    """One model, for OpenAI's list (`object`, `owned_by`) and OpenRouter's at once."""
    cheapest = cheapest_price(model.endpoints)
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.id.partition("/")[0],
        "canonical_slug": model.id,
        "hugging_face_id": model.hugging_face_id,
        "name": model.name,
        "description": model.description,
        "context_length": model.context_length,
        "architecture": architecture(model),
        "pricing": pricing(cheapest),
        "is_price_known": cheapest.is_known,
        "top_provider": _top_provider(model),
        "per_request_limits": None,
        "supported_parameters": list(model.supported_parameters),
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def cheapest_price(endpoints: Sequence[Endpoint]) -> Price:
    known = [endpoint.price for endpoint in endpoints if endpoint.price.is_known]
    return min(known, key=lambda price: (price.prompt or 0) + (price.completion or 0), default=Price())


def architecture(model: Model) -> Shape:
    inputs, outputs = list(model.input_modalities), list(model.output_modalities)
    return {
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
        "input_modalities": inputs,
        "output_modalities": outputs,
        "tokenizer": model.tokenizer,
        "instruct_type": None,
    }


def pricing(price: Price) -> dict[str, str]:
    if price.prompt is None or price.completion is None:
        return {"prompt": UNKNOWN_PRICE, "completion": UNKNOWN_PRICE}
    parts = {
        "prompt": price.prompt,
        "completion": price.completion,
        "request": price.request,
        "input_cache_read": price.cache_read,
        "input_cache_write": price.cache_write,
        "internal_reasoning": price.reasoning,
    }
    return {key: dollars_from_pico(pico) for key, pico in parts.items() if pico is not None}


def _top_provider(model: Model) -> Shape:
    first = model.endpoints[0] if model.endpoints else None
    return {
        "context_length": first.context_length if first else None,
        "max_completion_tokens": first.max_completion_tokens if first else None,
        "is_moderated": False,
    }


def model_endpoints(view: ModelView, shows_speed: bool) -> Shape:
    """`shows_speed`: latency and throughput are for callers with a key."""
    model = view.model
    return {
        "id": model.id,
        "name": model.name,
        "created": model.created,
        "description": model.description,
        "architecture": architecture(model),
        "endpoints": [_endpoint(model, endpoint, shows_speed) for endpoint in view.endpoints],
    }


def _endpoint(model: Model, view: EndpointView, shows_speed: bool) -> Shape:
    endpoint, stats = view.endpoint, view.stats
    takes_tool_choice = "tool_choice" in endpoint.supported_parameters
    return {
        "name": f"{view.provider.name} | {model.id}",
        "model_id": model.id,
        "model_name": model.name,
        "context_length": endpoint.context_length or model.context_length or 0,
        "max_completion_tokens": endpoint.max_completion_tokens,
        "max_prompt_tokens": None,
        "pricing": {**pricing(endpoint.price), "discount": 0},
        "is_price_known": endpoint.price.is_known,
        "provider_name": view.provider.name,
        "tag": endpoint.tag,
        "quantization": endpoint.quantization,
        "service_tier": None,
        "supported_parameters": list(endpoint.supported_parameters),
        "supports_implicit_caching": endpoint.price.cache_read is not None,
        "supports_tool_choice": dict.fromkeys(("auto", "function", "none", "required"), takes_tool_choice),
        "native_tools": {},
        "supports_diarization": False,
        "status": view.status,
        "uptime_last_5m": stats.uptime_5m,
        "uptime_last_30m": stats.uptime_30m,
        "uptime_last_1d": stats.uptime_1d,
        "latency_last_30m": _quartet(stats.ttft_ms_30m, shows_speed),
        "throughput_last_30m": _quartet(stats.throughput_30m, shows_speed),
    }


def _quartet(percentiles: Percentiles | None, is_shown: bool) -> Shape | None:
    return asdict(percentiles) if percentiles is not None and is_shown else None


def provider_entry(provider: Provider) -> Shape:
    return {
        "name": provider.name,
        "slug": provider.slug,
        "privacy_policy_url": provider.privacy_policy_url,
        "terms_of_service_url": provider.terms_of_service_url,
        "status_page_url": provider.status_page_url,
        "headquarters": provider.headquarters,
        "datacenters": None,
    }
