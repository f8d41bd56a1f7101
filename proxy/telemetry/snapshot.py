"""The message that comes up: what a worker counted since its last one. Merging is addition, so order does not matter."""

from __future__ import annotations

import msgspec


class Reached(msgspec.Struct, forbid_unknown_fields=True):
    """Whom a candidate reached since the snapshot before.

    ``met`` are hashes of users that it answered, ``hurt`` of those that saw it fail. ``*_dropped`` are requests of users that found no
    room; ``unknown`` those that carried no user. The two ages are seconds before this was taken: since the last of its requests began,
    and since the first failed one ended (None: there was none).
    """

    met: list[int] = []
    met_dropped: int = 0
    hurt: list[int] = []
    hurt_dropped: int = 0
    unknown: int = 0
    last_began_ago_s: float | None = None
    first_failed_ago_s: float | None = None


class CellDelta(msgspec.Struct, forbid_unknown_fields=True):
    """Counts of one (service, version) under one split, since the snapshot before.

    ``rollout`` and ``candidate_share`` (0..1) are those of the plan the requests were drawn on, so a judge needs no other context.
    ``requests`` is by status code and holds every answered request, 499 included. ``failures`` is by cause and holds all that are
    charged to the version. ``draws`` (failed ones included) and ``draw_failures`` hold only requests the split drew: no override,
    no abort, no mirror. Failures of known users are not in ``draw_failures`` but in ``failed_users``, as (hash, cause) pairs, for
    the judge to count once; those that found no room there are in ``failed_users_dropped``, by cause. ``latency`` maps histogram
    buckets (``telemetry.histogram``) to counts, without requests that clients gave up on or that we refused meanwhile;
    ``latency_aside`` is the part of it that the split did not draw or that failed. ``draw_slow`` counts answers that the split
    drew, that did not fail and that took longer than the plan's bound; those of known users are in ``slow_users`` (hashes) instead.
    ``in_flight`` is the version's level in this worker now, over all generations, not a difference. A request that fell back to
    stable counts once on each of the two versions: as the candidate's failure, with ``fallbacks``, and as stable's answer, which is
    no draw. ``retries_refused`` are those that the budget did not allow, ``limited`` requests that our own limits refused. Only a
    running rollout's candidate has ``reached``.
    """

    service: str
    version: str
    generation: int
    rollout: int = 0
    candidate_share: float = 0.0
    requests: dict[int, int] = {}
    failures: dict[str, int] = {}
    draws: int = 0
    draw_failures: dict[str, int] = {}
    failed_users: list[tuple[int, str]] = []
    failed_users_dropped: dict[str, int] = {}
    draw_slow: int = 0
    slow_users: list[int] = []
    slow_users_dropped: int = 0
    latency: dict[int, int] = {}
    latency_aside: dict[int, int] = {}
    latency_sum_s: float = 0.0
    in_flight: int = 0
    retries: int = 0
    retries_refused: int = 0
    fallbacks: int = 0
    limited: int = 0
    tunnel_bytes: tuple[int, int] = (0, 0)  # from clients, from origins
    reached: Reached | None = None


class EndpointState(msgspec.Struct, forbid_unknown_fields=True):
    """Levels of one endpoint in one worker: connections busy (``tunnels`` among them) and idle, and whether it is in.

    In is healthy, not ejected, not refusing. ``asked``: a check has shown it, so it is not only taken for healthy. For a host name,
    ``lookups_failed`` counts lookups that came to nothing since the snapshot before (None: it is an address), and ``lookup_error`` says
    why the last one did; empty when it did not.
    """

    service: str
    version: str
    endpoint: str
    active: int = 0
    idle: int = 0
    tunnels: int = 0
    healthy: bool = True
    asked: bool = True
    lookups_failed: int | None = None
    lookup_error: str = ""


class ListenerState(msgspec.Struct, forbid_unknown_fields=True):
    """One listener in one worker: connections now; since the snapshot before, those over the limit (``refused``) and those that failed
    their handshake or PROXY header (``unproven``). ``tls_error`` says why changed files were not taken; ``tls_expires_s`` is Unix time.
    """

    name: str
    connections: int = 0
    refused: int = 0
    unproven: int = 0
    tls_error: str = ""
    tls_expires_s: float = 0.0


class ShadowDelta(msgspec.Struct, forbid_unknown_fields=True):
    """Copies for one version of a service since the snapshot before. ``sampled`` requests each end in one of ``results`` (match,
    mismatch, error, uncompared) or ``dropped`` (by reason), some in a later snapshot; ``in_flight`` is how many have not ended yet.
    """

    service: str
    version: str
    sampled: int = 0
    results: dict[str, int] = {}
    dropped: dict[str, int] = {}
    in_flight: int = 0


class Snapshot(msgspec.Struct, forbid_unknown_fields=True):
    """One worker's counts. ``sequence`` grows by one each time, so a lost or doubled snapshot is seen. ``at_s`` is Unix time.

    ``unmatched`` counts answers of the proxy itself by code where no service was involved, ``own`` by service and code where a route
    led to one and none of its versions saw the request. ``rate_keys_evicted`` are keys of rate limits forgotten before their time.
    ``origin_tls`` says by service why changed files of its TLS were not taken; empty when they were. ``clients_refused`` are
    connections that found the worker full, ``spans_dropped`` spans that were not exported. ``replays_refused`` are bodies that were
    not kept for a second sending, because too many others were. ``routes`` are requests by the place of their route in the plan of
    ``generation``; told about once a second, and what a plan had counted when it was replaced is lost. ``first_drawn`` is the first
    request of a service since it switched, on the monotonic clock, where none had waited for the switch.
    """

    worker: int
    sequence: int
    generation: int
    at_s: float
    cells: list[CellDelta] = []
    endpoints: list[EndpointState] = []
    unmatched: dict[int, int] = {}
    listeners: list[ListenerState] = []
    own: dict[str, dict[int, int]] = {}
    origin_tls: dict[str, str] = {}
    shadows: list[ShadowDelta] = []
    rate_keys_evicted: int = 0
    clients_refused: int = 0
    spans_dropped: int = 0
    downstream_connections: int = 0
    access_log_dropped: int = 0
    replays_refused: int = 0
    routes: dict[int, int] = {}
    first_drawn: dict[str, float] = {}
