"""Every error as RFC 9457 problem JSON, wherever it comes from: our refusals, aiohttp's, the control loop's. Knows no routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from proxy.control.events import Unable, UnknownName
from proxy.errors import OperatorError, PlanRefused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = "application/json"
PROBLEM = "application/problem+json"


class Problem(Exception):
    """Answer with this status and sentence; ``extra`` are further members of the problem object, ``headers`` of the answer."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> web.Response:
    """The answer. ``type`` is about:blank, so ``title`` is the status's own phrase, as section 4.2.1 of the RFC has it."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=PROBLEM, headers=headers)


def answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer that no cache keeps."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type=JSON, headers={"Cache-Control": "no-store", **(headers or {})}
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what was raised into an answer. A bug of ours is no answer: aiohttp logs it and says 500."""
    try:
        return await handler(request)
    except Problem as error:
        return problem(error.status, error.detail, headers=error.headers, **error.extra)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return problem(405, f"{request.path} takes {allowed}", headers={"Allow": allowed})
    except web.HTTPNotFound:
        return problem(404, f"nothing is at {request.path}; /openapi.json lists what there is")
    except web.HTTPRequestEntityTooLarge as error:
        return problem(413, error.text or "the body is too large")
    except web.HTTPException as error:
        return problem(error.status, error.text or error.reason)
    except UnknownName as error:
        return problem(404, str(error))
    except (Unable, PlanRefused) as error:
        return problem(503, str(error))
    except OperatorError as error:
        return problem(409, str(error))
