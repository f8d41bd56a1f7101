"""The API's own description, OpenAPI 3.1: small and true (a test walks the application's routes against it). Knows no handlers."""

from __future__ import annotations

from typing import Any

from proxy import __version__

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), *, closed: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


_SERVICE = _object(
    {
        "service": _TEXT,
        "stable": _TEXT,
        "candidate": {"type": ["string", "null"]},
        "phase": {"enum": ["stable", "shadowing", "progressing", "paused", "promoting", "rolling_back", "rolled_back"]},
        "step": {"type": ["integer", "null"], "description": "from 0; of a rolling rollout, endpoints that have moved"},
        "steps": {"type": ["integer", "null"]},
        "plan": {"type": ["object", "null"], "description": "strategy and steps that the running rollout began with"},
        "where": {"type": "string", "description": "where in its plan it stands, for people"},
        "weights": {"type": "object", "additionalProperties": _NUMBER, "description": "percent wanted, by version"},
        "observed": {
            "type": "object",
            "description": "by version; requests and errors since the start, the rest over the last 10 s, null without data",
            "additionalProperties": _object(
                {
                    "requests": {"type": "integer"},
                    "errors": {"type": "integer"},
                    "error_rate": {"type": ["number", "null"]},
                    "p50_ms": {"type": ["number", "null"]},
                    "p99_ms": {"type": ["number", "null"]},
                    "in_flight": {"type": "integer"},
                    "rps": _NUMBER,
                    "share": {"type": ["number", "null"], "description": "percent measured"},
                }
            ),
        },
        "generation": {"type": "integer"},
        "waiting_for": _TEXT,
        "last_verdict": {"type": ["object", "null"]},
        "blast_radius": {"type": ["object", "null"], "description": "whom the latest rollout's candidate reached; null: none was"},
        "last_switch": {"type": ["object", "null"], "description": "how the last atomic switch since the start went"},
    },
    ("service", "stable", "candidate", "phase", "step", "weights", "observed", "generation", "waiting_for", "last_verdict"),
)

_RELOAD = _object(
    {"outcome": {"enum": ["applied", "unchanged"]}, "old_digest": _TEXT, "new_digest": _TEXT, "generation": {"type": "integer"}}
)

_FORCE: dict[str, Any] = {"type": "boolean", "description": "although the version does not run on the present schema; recorded"}

_EXPLANATION = _object(
    {
        "rollout": {"type": "integer"},
        "outcome": _TEXT,
        "summary": {"type": "array", "items": _TEXT},
        "story": {"type": "array", "items": {"type": "object"}},
        "guard": {"type": ["object", "null"]},
        "checks": {"type": ["array", "null"]},
        "blast_radius": {"type": ["object", "null"]},
        "times": {"type": "object"},
        "series": {
            "type": ["object", "null"],
            "description": "points, oldest first: a stretch of time each, and what was counted in it",
        },
        "plan": {"type": "object"},
        "recorded": {"type": ["object", "null"], "description": "the series as it is stored, for a replay"},
    },
    ("rollout", "outcome", "summary", "story", "series", "plan", "recorded"),
)

_DIFF = _object(
    {
        "same": {"type": "boolean"},
        "refused": {"type": "array", "items": _TEXT, "description": "why a reload would take none of it"},
        "routes": {
            "type": "array",
            "items": {"type": "object"},
            "description": "rps: requests/s now; instead: who answers, or answered",
        },
        "services": {"type": "array", "items": {"type": "object"}},
        "rollouts": {
            "type": "array",
            "items": {"type": "object"},
            "description": "what each history would say, and what would not happen",
        },
        "other": {"type": "array", "items": {"type": "object"}},
    },
    ("same", "refused", "routes", "services", "rollouts", "other"),
)

_SHADOW = _object(
    {
        "service": _TEXT,
        "shadow": {"type": ["object", "null"], "description": "where copies go now"},
        "copies": {"type": "object", "description": "by version: sampled, results, dropped by reason, in flight"},
        "report": {
            "type": ["object", "null"],
            "description": "word (different, same, cannot tell yet), reason, and by route and path who differed and on what evidence",
        },
    },
    ("service", "shadow", "copies", "report"),
)

VERB_BODIES: dict[str, dict[str, Any]] = {
    "switch": _object({"to": _TEXT, "reason": _TEXT, "force": _FORCE}, ("to",), closed=True),
    "start": _object({"to": _TEXT, "force": _FORCE}, ("to",), closed=True),
    "promote": _object({"full": {"type": "boolean"}, "force": _FORCE}, closed=True),
    "pause": _object({"reason": _TEXT}, closed=True),
    "resume": _object({}, closed=True),
    "abort": _object({"reason": _TEXT}, closed=True),
    "retry": _object({"force": _FORCE}, closed=True),
    "undo": _object(
        {
            "to": {"type": ["string", "integer"], "description": "a version, or a revision; neither: the version before"},
            "force": _FORCE,
        },
        closed=True,
    ),
}
"""What each verb's body may hold."""


def verb_path(verb: str) -> str:
    """Where a verb is said to a service: all but the switch are a rollout's."""
    return verb if verb == "switch" else f"rollout/{verb}"


def _answers(schema: dict[str, Any] | None, media: str = "application/json") -> dict[str, Any]:
    content = {"content": {media: {"schema": schema}}} if schema is not None else {}
    return {"200": {"description": "done", **content}, "default": {"$ref": "#/components/responses/Problem"}}


def _get(summary: str, schema: dict[str, Any] | None = None, media: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _answers(schema, media), **more}}


def _post(summary: str, body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    content = {"required": False, "content": {"application/json": {"schema": body}}}
    return {"post": {"summary": summary, "requestBody": content, "responses": _answers(schema)}}


def document() -> dict[str, Any]:
    """The whole description."""
    service = {"$ref": "#/components/schemas/Service"}
    of_service = {"parameters": [{"name": "service", "in": "path", "required": True, "schema": _TEXT}]}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}}
    revision = {"name": "revision", "in": "path", "required": True, "schema": {"type": "integer"}}
    base = "/api/v1/services/{service}"
    paths: dict[str, Any] = {
        "/-/healthy": _get("Whether the process answers", _TEXT, "text/plain", security=[]),
        "/-/ready": _get("Whether every worker serves the current configuration; 503 if not", _TEXT, "text/plain", security=[]),
        "/-/reload": _post("Read the configuration and put it into effect, whole or not at all", _object({}, closed=True), _RELOAD),
        "/metrics": _get("Prometheus metrics", _TEXT, "text/plain"),
        "/openapi.json": _get("This description", {"type": "object"}),
        "/api/v1/status": _get("The proxy and all services", {"type": "object"}),
        "/api/v1/config": _get("The configuration in force, defaults written out", {"type": "object"}),
        "/api/v1/config/diff": _post("What this configuration would do to live traffic; changes nothing", {"type": "object"}, _DIFF),
        "/api/v1/events": _get("Decisions and other events as they happen, from Last-Event-ID on", _TEXT, "text/event-stream"),
        base: _get("One service", service) | of_service,
        f"{base}/shadow": _get("What became of copies, and what the shadow answers differently", _SHADOW) | of_service,
        f"{base}/history": _get("Decisions, newest first", {"type": "object"}, parameters=[limit]) | of_service,
        f"{base}/history/{{revision}}": _get("One decision with every figure it stood on", {"type": "object"}, parameters=[revision])
        | of_service,
        f"{base}/history/{{revision}}/explanation": _get(
            "Why its rollout went as it did: story, evidence over time, blast radius", _EXPLANATION, parameters=[revision]
        )
        | of_service,
    }
    for verb, body in VERB_BODIES.items():
        what = "Give a version everything, in all workers at once" if verb == "switch" else f"{verb.capitalize()} a rollout"
        paths[f"{base}/{verb_path(verb)}"] = _post(f"{what}; answers when it is in effect", body, service) | of_service
    return {
        "openapi": "3.1.0",
        "info": {"title": "headgate admin API", "version": __version__},
        "paths": paths,
        "security": [{"token": []}, {}],
        "components": {
            "schemas": {
                "Service": _SERVICE,
                "Problem": _object({"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}),
            },
            "responses": {
                "Problem": {
                    "description": "RFC 9457 problem; a refused reload also has mistakes, a list",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
