"""Errors of the aiohttp side: one middleware gives every failure the contract's shape."""

import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from edgeproxy.domain.errors import (
    CallError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
)

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"


def render(error: CallError) -> web.Response:
    """The response of an error. A retry is invited only where one can help."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    body = orjson.dumps({"error": error.shown()})
    return web.Response(status=error.status, body=body, content_type=JSON, headers=headers)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CallError as error:
        return render(error)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = render(MethodNotAllowed(f"{request.method} is not allowed here. Allowed: {allowed}."))
        response.headers["Allow"] = allowed
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return render(_typed(error))
    except Exception:  # a door: whatever a handler raises becomes one typed error
        log.exception("%s failed", getattr(request.match_info.handler, "__name__", "a handler"))
        return render(InternalError("Internal error."))


def _typed(error: web.HTTPException) -> CallError:
    if error.status == 404:
        return NotFound("There is nothing at this path. The API is under /v1 and /api/v1.")
    if error.status == 413:
        return PayloadTooLarge("The body is too large.")
    if error.status < 500:
        return InvalidRequest("The request is malformed.")
    return InternalError("Internal error.")
