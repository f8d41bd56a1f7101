"""Every bound of the product: its name, its unit, and why it is that and not more.

Names end in the unit. What the operator may set has its default here; what nobody should set is only here.
"""

from __future__ import annotations

from typing import Final

KiB: Final = 1024

# ---- message heads (http.md rules 1, 3, 12) -------------------------------------------------------------------------------------
METHOD_BYTES_MAX: Final = 32  # the longest registered method (UPDATEREDIRECTREF) has 17
TARGET_BYTES_MAX: Final = 8 * KiB  # RFC 9112 section 3 asks for 8000 at least; nginx's and HAProxy's line buffers are 8-16 KiB
HEAD_BYTES_MAX: Final = 64 * KiB  # nginx 4 x 8 KiB, Envoy 60 KiB; a larger head is an attack or a cookie bug
HEADER_FIELDS_MAX: Final = 100  # Envoy 100, HAProxy 101
INTERIM_RESPONSES_MAX: Final = 8  # 1xx answers before the final one; more is a storm, not progress

# ---- bodies (rules 14, 19-22, 41) -----------------------------------------------------------------------------------------------
CONTENT_LENGTH_DIGITS_MAX: Final = 18  # below 2**63, so no peer in the chain can overflow on it
CHUNK_SIZE_DIGITS_MAX: Final = 15  # hex digits; 2**60, same reason
CHUNK_EXTENSION_BYTES_MAX: Final = 1 * KiB  # per chunk; extensions are dropped, so room for them is room for abuse
TRAILER_BYTES_MAX: Final = 8 * KiB
WRITE_BUFFER_HIGH_BYTES: Final = 256 * KiB  # a side that owes this much stops its peer from being read
WRITE_BUFFER_LOW_BYTES: Final = 64 * KiB
PIPELINE_BYTES_MAX: Final = 256 * KiB  # one read of uvloop; nothing more is read until the answer before it is out
PENDING_BODY_BYTES_MAX: Final = 256 * KiB  # request body that arrived while the origin connection was being made
LINGER_BYTES_MAX: Final = 1024 * KiB  # upload swallowed after an early answer, so the client can read it before the reset
LINGER_S: Final = 1.0  # Envoy's delayed close timeout
HALF_CLOSE_GRACE_S: Final = 1.0  # an answer this soon still reaches a client that only closed its sending side

# ---- header-line table (wire.headers) -------------------------------------------------------------------------------------------
LINE_TABLE_ENTRIES_MAX: Final = 4096  # then it is emptied; browsers and services repeat a few dozen lines
LINE_TABLE_LINE_BYTES_MAX: Final = 256  # longer lines are rarely repeated; 1 MiB for the whole table

# ---- connections ----------------------------------------------------------------------------------------------------------------
IDLE_UPSTREAM_PER_ENDPOINT_MAX: Final = 256  # idle origin connections kept per worker and endpoint
IDLE_UPSTREAM_S: Final = 4.0  # below Node's 5 s keep-alive, the shortest common one, so we close first
UPSTREAM_WAITERS_MAX: Final = 1024  # connects under way per endpoint and worker; beyond it a request fails fast
HEAD_TIMEOUT_S: Final = 10.0  # a request head must be whole by then; nginx 60, HAProxy's advice 10
WHEEL_TICK_S: Final = 0.1  # resolution of every connection timeout
CONNECT_TIMEOUT_S: Final = 1.0
RESPONSE_TIMEOUT_S: Final = 30.0
IDLE_TIMEOUT_S: Final = 60.0
LISTEN_BACKLOG: Final = 4096

# ---- between the planes ---------------------------------------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = 256 * 1024 * KiB  # one message of the channel; a plan with 10,000 routes is about 3 MiB
SNAPSHOT_FAST_S: Final = 0.1  # while a candidate has weight
SNAPSHOT_SLOW_S: Final = 1.0
FAILED_USERS_PER_SNAPSHOT_MAX: Final = 4096  # user hashes per cell and snapshot; more are counted as overflow
FAILED_USERS_PER_ROLLOUT_MAX: Final = 100_000  # user hashes the judge remembers; 8 MiB; it says when it is full
PREPARE_TIMEOUT_S: Final = 5.0  # a worker that has not compiled a plan by then is replaced
COMMIT_TIMEOUT_S: Final = 1.0
COLLECT_TIMEOUT_S: Final = 0.25  # how long a scrape waits for a worker's latest counts
DRAIN_TIMEOUT_S: Final = 25.0  # below Kubernetes' 30 s grace
WORKER_BACKOFF_MIN_S: Final = 0.05
WORKER_BACKOFF_MAX_S: Final = 5.0

# ---- configuration --------------------------------------------------------------------------------------------------------------
CONFIG_BYTES_MAX: Final = 16 * 1024 * KiB
CONFIG_POLL_S: Final = 2.0  # the slow poll behind the directory watch
ROUTES_MAX: Final = 20_000
SERVICES_MAX: Final = 2_000
VERSIONS_PER_SERVICE_MAX: Final = 100
ENDPOINTS_PER_VERSION_MAX: Final = 1_000

# ---- history --------------------------------------------------------------------------------------------------------------------
HISTORY_REVISIONS_KEPT: Final = 200  # per service; never fewer than the 50 that are promised
