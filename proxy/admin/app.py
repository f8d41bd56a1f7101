"""The routes of the admin API and what each does: read a body, ask ``control``, show the answer. Decides nothing about traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from proxy import limits
from proxy.admin import openapi, views
from proxy.admin.access import Gate
from proxy.admin.metrics import Figures
from proxy.admin.previews import preview_view
from proxy.admin.problems import Problem, answer, problems
from proxy.admin.shadow_view import shadow_view
from proxy.admin.streaming import READERS, stream
from proxy.config import ConfigInvalid, effective, load_text
from proxy.control.events import UnknownName
from proxy.control.loop import Control
from proxy.control.preview import preview
from proxy.model.service import Service

T = TypeVar("T")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body that says nothing."""


class Start(msgspec.Struct, forbid_unknown_fields=True):
    """Which version to roll out; ``force`` although it does not run on the present schema."""

    to: str
    force: bool = False


class Promote(msgspec.Struct, forbid_unknown_fields=True):
    """One step, or all the way."""

    full: bool = False
    force: bool = False


class Again(msgspec.Struct, forbid_unknown_fields=True):
    """The same as before."""

    force: bool = False


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    """Which version gets everything now; ``reason`` is for the history."""

    to: str
    reason: str = ""
    force: bool = False


class Undo(msgspec.Struct, forbid_unknown_fields=True):
    """Back to a version, or to what was stable after a revision; to neither: to the version before."""

    to: str | int = ""
    force: bool = False


class Because(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the history."""

    reason: str = ""


_BODIES: dict[str, type[msgspec.Struct]] = {
    "start": Start,
    "promote": Promote,
    "pause": Because,
    "resume": Nothing,
    "abort": Because,
    "retry": Again,
    "undo": Undo,
    "switch": Switch,
}


def build(control: Control, gate: Gate) -> web.Application:
    """The application over ``control``."""
    app = web.Application(middlewares=[problems, gate.__call__], client_max_size=limits.ADMIN_BODY_BYTES_MAX)
    app[READERS] = []
    handlers = Handlers(control, gate)
    app.router.add_get("/-/healthy", handlers.healthy)
    app.router.add_get("/-/ready", handlers.ready)
    app.router.add_post("/-/reload", handlers.reload)
    app.router.add_get("/metrics", handlers.metrics)
    app.router.add_get("/openapi.json", handlers.openapi)
    app.router.add_get("/api/v1/status", handlers.status)
    app.router.add_get("/api/v1/config", handlers.config)
    app.router.add_post("/api/v1/config/diff", handlers.diff)
    app.router.add_get("/api/v1/events", handlers.events)
    app.router.add_get("/api/v1/services/{service}", handlers.service)
    app.router.add_get("/api/v1/services/{service}/shadow", handlers.shadow)
    app.router.add_get("/api/v1/services/{service}/history", handlers.history)
    app.router.add_get("/api/v1/services/{service}/history/{revision}", handlers.revision)
    app.router.add_get("/api/v1/services/{service}/history/{revision}/explanation", handlers.explanation)
    for verb in _BODIES:
        app.router.add_post(f"/api/v1/services/{{service}}/{openapi.verb_path(verb)}", handlers.rollout)
    return app


class Handlers:
    """One method a route."""

    def __init__(self, control: Control, gate: Gate) -> None:
        self._control = control
        self._gate = gate
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Figures(control))

    # ---- probes and metrics ---------------------------------------------------------------------------------------------------

    async def healthy(self, request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        """Every worker serves the current configuration, and nothing drains."""
        unready = self._control.unready()
        return web.Response(status=503 if unready else 200, text=f"{unready or 'ready'}\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Workers are asked for their latest counts first, so a scrape is exact."""
        await self._control.fresh()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """What can be asked."""
        return answer(openapi.document())

    # ---- reading --------------------------------------------------------------------------------------------------------------

    async def status(self, request: web.Request) -> web.Response:
        """The proxy and all its services."""
        await self._control.fresh()
        return answer(views.status(self._control))

    async def config(self, request: web.Request) -> web.Response:
        """The configuration in force, in the file's form; its digest is the entity tag."""
        intent = self._control.intent
        return answer(effective(intent), headers={"ETag": f'"{intent.digest}"'})

    async def service(self, request: web.Request) -> web.Response:
        """One service."""
        service = self._service(request)
        await self._control.fresh()
        return answer(views.service_view(self._control, service))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events as they happen."""
        return await stream(self._control, request)

    async def shadow(self, request: web.Request) -> web.Response:
        """What became of copies, and the comparison report."""
        return answer(await shadow_view(self._control, self._service(request)))

    async def history(self, request: web.Request) -> web.Response:
        """Its decisions, newest first."""
        name = self._service(request).name
        limit = _number(request.query.get("limit", "50"), "limit", limits.HISTORY_PAGE_MAX)
        revisions = await self._control.recall.history(name, limit)
        return answer({"service": name, "revisions": [views.revision_line(revision) for revision in revisions]})

    async def revision(self, request: web.Request) -> web.Response:
        """One decision with every figure it stood on."""
        name = self._service(request).name
        number = _number(request.match_info["revision"], "revision", 2**53)
        return answer(views.revision_view(name, await self._control.recall.revision(name, number)))

    async def explanation(self, request: web.Request) -> web.Response:
        """Why the rollout of that decision went as it did: its story, the evidence over time, whom it reached."""
        name = self._service(request).name
        number = _number(request.match_info["revision"], "revision", 2**53)
        return answer(await self._control.recall.explanation(name, number))

    async def diff(self, request: web.Request) -> web.Response:
        """What the configuration in the body would do to live traffic; nothing is put into effect. 422 with its mistakes."""
        text = await _text(request, limits.CONFIG_BYTES_MAX)
        control = self._control
        try:
            new = await asyncio.to_thread(load_text, text, "body")
        except ConfigInvalid as error:
            mistakes = [mistake._asdict() for mistake in error.mistakes]
            raise Problem(422, f"the configuration has {len(mistakes)} mistakes", mistakes=mistakes) from None
        await control.fresh()
        now = control.clock.now()
        services = {
            service.name: sum(control.windows.recent((service.name, v.name), now).rps for v in service.versions)
            for service in control.intent.services
        }
        positions = {name: standing.position for name, standing in control.standings.items()}
        old, routes, wall = control.intent, control.route_rates.rps(now), control.clock.wall()
        found = await asyncio.to_thread(preview, old, new, positions, wall, route_rps=routes, service_rps=services)
        return answer(preview_view(found, old.digest, new.digest))

    # ---- writing --------------------------------------------------------------------------------------------------------------

    async def reload(self, request: web.Request) -> web.Response:
        """Put the file into effect, whole or not at all; 422 with the mistakes when not."""
        await _body(request, Nothing)
        result = await _in_time(self._control.reload(source="api", by=self._gate.who(request)))
        shown = msgspec.to_builtins(result)
        if result.outcome == "refused":
            raise Problem(422, result.message, **shown)
        return answer(shown)

    async def rollout(self, request: web.Request) -> web.Response:
        """Say a verb to a service's rollout; answers how it stands when that is in effect."""
        service = self._service(request)
        verb = request.path.rpartition("/")[2]
        said = msgspec.to_builtins(await _body(request, _BODIES[verb]))
        if "to" in said:
            said["to"] = str(said["to"])
        await _in_time(self._control.command(service.name, verb, by=self._gate.who(request), **said))
        return answer(views.service_view(self._control, self._service(request)))

    def _service(self, request: web.Request) -> Service:
        name = request.match_info["service"]
        service = self._control.intent.service(name)
        if service is None:
            raise UnknownName(f"no service {name!r}; there is {', '.join(s.name for s in self._control.intent.services[:20])}")
        return service


async def _in_time(waiting: Coroutine[Any, Any, T]) -> T:
    try:
        async with asyncio.timeout(limits.ADMIN_COMMAND_TIMEOUT_S):
            return await waiting
    except TimeoutError:
        raise Problem(503, f"not done in {limits.ADMIN_COMMAND_TIMEOUT_S:g} s, and still under way; see /api/v1/status") from None


async def _text(request: web.Request, most: int) -> bytes:
    """The body, which may be larger than a command."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            raise Problem(413, f"the body is over {most} bytes")
        parts.append(part)
    return b"".join(parts)


async def _body(request: web.Request, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """The body as ``shape``; none at all is an empty object. Every text in it is bounded, for it goes into the history."""
    data = await request.read()
    try:
        body = msgspec.json.decode(data or b"{}", type=shape)
    except msgspec.DecodeError as error:  # ValidationError is one of these
        raise Problem(400, f"the body is not what {request.path} takes: {error}; {_takes(shape)}") from None
    for name in shape.__struct_fields__:
        value = getattr(body, name)
        if isinstance(value, str) and len(value) > limits.ADMIN_TEXT_CHARS_MAX:
            raise Problem(400, f"{name} has {len(value)} characters; at most {limits.ADMIN_TEXT_CHARS_MAX} are kept")
    return body


def _takes(shape: type[msgspec.Struct]) -> str:
    return f"allowed: {', '.join(shape.__struct_fields__) or '{}'}"


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and 1 <= int(text) <= most):
        raise Problem(400, f"{name} is a number from 1 to {most}")
    return int(text)
