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
BODY_RATE_MIN: Final = 240  # bytes a second of a request body, as Kestrel asks; a modem of 1990 was faster, a trickler is not
BODY_RATE_WINDOW_S: Final = 10.0  # averaged over it
BODY_RATE_GRACE_S: Final = 10.0  # on top of the first window: connections start slowly, and so do clients that make what they send
BODY_LIMIT_BYTES_MAX: Final = 1 << 50  # what a route's body_limit may say; more is a slip of the unit
LINGER_BYTES_MAX: Final = 1024 * KiB  # upload swallowed after an early answer, so the client can read it before the reset
LINGER_S: Final = 1.0  # Envoy's delayed close timeout
HALF_CLOSE_GRACE_S: Final = 1.0  # a client that closed its sending side still gets what comes this soon, and without longer pauses

# ---- header-line table (wire.headers) -------------------------------------------------------------------------------------------
LINE_TABLE_ENTRIES_MAX: Final = 8192  # then it is emptied; browsers and services repeat a few dozen lines
START_TABLE_ENTRIES_MAX: Final = 8192  # start lines remembered, with what they mean; 6 MiB at most
LINE_TABLE_LINE_BYTES_MAX: Final = 256  # longer lines are rarely repeated; 4 MiB at most for the whole table

# ---- connections ----------------------------------------------------------------------------------------------------------------
IDLE_UPSTREAM_PER_ENDPOINT_MAX: Final = 256  # idle origin connections kept per worker and endpoint
IDLE_UPSTREAM_S: Final = 4.0  # below Node's 5 s keep-alive, the shortest common one, so we close first
IDLE_UPSTREAM_TOLD_S_MAX: Final = 60.0  # when the origin's Keep-Alive promises more; longer saves nothing
CONNECT_TRIES_MAX: Final = 3  # endpoints asked for a connection before the request fails; more only makes the client wait
RETRY_ATTEMPTS_MAX: Final = 5  # of one request; an operator who wants more wants another remedy
RETRY_BUDGET_SHARE: Final = 0.2  # of a service's requests in flight that may be retries (Envoy's budget); more is a storm
RETRY_BUDGET_MIN: Final = 3  # retries allowed however little is in flight
REPLAY_BYTES_MAX: Final = 64 * KiB  # of one request's body kept for a second sending; nginx's default buffers are 16 KiB
REPLAY_TOTAL_BYTES_MAX: Final = 16 * 1024 * KiB  # of all bodies kept in a worker: 256 of the largest
RESOLVE_AGAIN_S: Final = 30.0  # host names of origins that getaddrinfo looked up: it does not tell a TTL, and 30 s is a common one
NAMESERVERS_MAX: Final = 8  # of a resolver; those of the C library are three
RESOLVE_TTL_S_MIN: Final = 1.0  # a TTL of 0 must not become a lookup without end
RESOLVE_TTL_S_MAX: Final = 300.0  # a move is seen within five minutes, whatever a zone promises
ADDRESSES_PER_NAME_MAX: Final = 256  # of one answer; a UDP answer has room for a few dozen
ADDRESS_FAILED_S: Final = 10.0  # an address that did not answer is tried last for so long
EJECTION_WINDOW_S: Final = 10.0  # success rates are compared over it (Envoy's interval)
EJECTION_REQUESTS_MIN: Final = 100  # in a window, for an endpoint's success rate to mean something (Envoy)
EJECTION_ENDPOINTS_MIN: Final = 5  # so busy, for one of them to be an outlier (Envoy)
EJECTION_DEVIATIONS: Final = 1.9  # below the mean (Envoy)
HEALTH_CHECKS_MAX: Final = 64  # under way at a time in a worker; more would crowd out requests
HEALTH_FIRST_S: Final = 0.2  # the first checks of a new plan are spread over it
SLOW_START_FLOOR: Final = 0.1  # of its share, for an endpoint that has just become healthy
QUEUE_MAX: Final = 100_000  # requests that an operator may let wait per version; 1 GiB of connections
HEAD_TIMEOUT_S: Final = 10.0  # a request head must be whole by then; nginx 60, HAProxy's advice 10
WHEEL_TICK_S: Final = 0.1  # resolution of every connection timeout
CONNECT_TIMEOUT_S: Final = 1.0
RESPONSE_TIMEOUT_S: Final = 30.0
IDLE_TIMEOUT_S: Final = 60.0
TUNNEL_IDLE_TIMEOUT_S: Final = 300.0  # no byte either way; WebSocket libraries ping every 20-60 s, Envoy's stream idle time-out is 300
DRAIN_STREAMS_SHARE: Final = 0.8  # of drain_timeout, over which a stopping worker closes its long-lived connections
DRAIN_STREAMS_S: Final = 10.0  # long-lived connections of a version that has left are closed over it: their clients come back spread
LISTEN_BACKLOG: Final = 4096
CONNECTIONS_PER_LISTENER_MAX: Final = 1_000_000  # of one worker, unless the operator says fewer; descriptors run out before
ACCEPTS_OF_THE_LOOP: Final = 8  # a turn and socket; a client who comes alone costs seven vain looks, 0.3 us each
ACCEPTS_PER_TURN: Final = 64  # connections accepted before others get their turn, where we accept ourselves
DEPARTURES_PER_TURN: Final = 256  # clients seen to leave before others get their turn
ACCEPT_PAUSE_S: Final = 0.2  # without accepting, when the process is out of descriptors
HANDSHAKE_TIMEOUT_S: Final = 10.0  # PROXY header and TLS handshake; as long as a request head may take
TLS_SHUTDOWN_S: Final = 5.0  # for the last 64 KiB to go out and the client to answer close_notify; some never do
CERTIFICATE_POLL_S: Final = 2.0  # between two looks at the files of certificates
TLS_FILE_BYTES_MAX: Final = 4 * 1024 * 1024  # of a certificate, key or authorities: all public authorities are a quarter of one
CERTIFICATES_PER_LISTENER_MAX: Final = 1_000  # each is loaded in about a millisecond, when a plan is compiled
CLIENTS_PER_WORKER_MAX: Final = 100_000  # connections; about 5 KiB each when idle. The descriptor limit mostly comes first
DESCRIPTORS_FOR_ORIGINS: Final = 0.25  # of the descriptor limit, kept from clients: a request needs a second one, and files need some
ROOM_ASKED_EACH: Final = (
    16  # connections, of which one is asked for its descriptor's number; the others fit into what is kept for origins
)

RATE_LIMIT_KEYS_MAX: Final = 16_384  # keys remembered per limited route and worker; 2 MiB
RATE_LIMIT_KEY_BYTES_MAX: Final = 64  # a longer key is remembered by its hash
TRACE_QUEUE_MAX: Final = 4096  # spans that wait for their thread, about 2 MiB; beyond it they are counted, not kept
TRACE_BATCH_MAX: Final = 512  # spans of one export, as the OpenTelemetry SDK's own batches
TRACE_BATCH_S: Final = 0.5  # how long a batch waits for one more
TRACE_EXPORT_TIMEOUT_S: Final = 5.0  # all attempts at one batch
TRACE_CLOSE_S: Final = 2.0  # for the last batch, when a worker ends or tracing is turned off
ACCESS_LOG_TOGETHER: Final = 64  # requests whose lines are encoded in one go, some 50 us
ACCESS_LOG_BATCH_BYTES: Final = 64 * KiB  # of lines that are written together
ACCESS_LOG_BATCH_S: Final = 0.1  # how long a line waits for others; a worker that is killed takes as much with it
ACCESS_LOG_WAITING_BYTES_MAX: Final = 4096 * KiB  # that wait for the disk; beyond it lines are counted, not kept
ACCESS_LOG_CLOSE_S: Final = 2.0  # for what is left, when a worker ends

# ---- between the planes ---------------------------------------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = 256 * 1024 * KiB  # one message of the channel; a plan with 10,000 routes is about 3 MiB
SNAPSHOT_FAST_S: Final = 0.1  # while a candidate has weight
SNAPSHOT_SLOW_S: Final = 1.0
ROUTES_TOLD_S: Final = 0.9  # between two reports of what each route gets: all 20,000 are looked at for it
FAILED_USERS_PER_SNAPSHOT_MAX: Final = 4096  # user hashes per cell and snapshot; more are counted as overflow
MET_USERS_PER_SNAPSHOT_MAX: Final = 4096  # user hashes of the candidate's requests, per snapshot: 40,000 users a second and worker
MET_USERS_PER_ROLLOUT_MAX: Final = 100_000  # user hashes of a rollout's blast radius; 8 MiB; beyond it is "at least"
SLOW_USERS_PER_SNAPSHOT_MAX: Final = 4096  # the same for users whose answers were slow
FAILED_USERS_PER_ROLLOUT_MAX: Final = 100_000  # user hashes the judge remembers; 8 MiB; it says when it is full
EVIDENCE_CACHE_ENTRIES_MAX: Final = 1024  # one a service under rollout and kind; recomputing costs a tick a millisecond or so
PREPARE_TIMEOUT_S: Final = 5.0  # a worker that has not compiled a plan by then is replaced
COMMIT_TIMEOUT_S: Final = 1.0
CUTOVER_HOLD_MAX_S: Final = 0.5  # that a request waits for a switch: people hardly notice, clients' time-outs are seconds
CUTOVER_TRIES_MAX: Final = 3  # barriers tried for one switch; from the last one on, a worker that does not hold is killed
CUTOVER_ANSWER_S: Final = 0.2  # for a worker to say that it holds; a busy one takes 20 ms. Well below what a hold may last
CUTOVER_KILL_S: Final = 0.15  # for a killed worker to be gone; with the answer's time still below what a hold may last
CUTOVER_FIRST_S: Final = 10.0  # that the first request after a switch is looked out for when none waited for it
CUTOVER_HELD_MAX: Final = 10_000  # requests that wait in one worker; then it reads no more from anybody until they go on
CUTOVER_HELD_BYTES_MAX: Final = 64 * 1024 * KiB  # of their bodies, likewise
COLLECT_TIMEOUT_S: Final = 0.25  # how long a scrape waits for a worker's latest counts
DRAIN_IDLE_S: Final = 1.0  # how long a draining worker still answers a request on a connection that was idle
DRAIN_TIMEOUT_S: Final = 25.0  # below Kubernetes' 30 s grace
WORKER_BACKOFF_MIN_S: Final = 0.05
WORKER_BACKOFF_MAX_S: Final = 5.0
WORKER_STEADY_S: Final = 10.0  # a worker that served this long has no back-off to serve when it dies
WORKER_START_TIMEOUT_S: Final = 20.0  # from exec to its hello; Python and its imports take 0.2 s, on a starved machine seconds
START_FAILURES_MAX: Final = 8  # workers that died before all served for the first time; it will not get better by itself
WORKER_SILENT_S: Final = 10.0  # without a report, which comes every second; compiling 20,000 routes takes less
LAST_WORDS_S: Final = 0.5  # between the end of a worker's process and of its channel, whichever comes first
DRAIN_GRACE_S: Final = 2.0  # over drain_timeout, for the worker to say so and exit; then it is killed
CHANNEL_BACKLOG_BYTES_MAX: Final = 1024 * KiB  # a worker owing this much keeps its counts to itself until they are read
URGENT_SNAPSHOT_S: Final = 0.01  # after a candidate's failure; a burst of failures is still one snapshot
URGENT_SNAPSHOT_GAP_S: Final = 0.02  # between two urgent ones
ORPHAN_POLL_S: Final = 0.2  # how often a worker without supervisor looks whether another one serves
CONTROL_EVENTS_MAX: Final = 8192  # waiting in the control loop: a minute of 8 workers' snapshots; more is dropped and counted
CONTROL_TICK_S: Final = 0.1  # time passes for rollouts without traffic
OBSERVED_GAP_S_MAX: Final = 2.0  # a longer silence was not observed and does not count as time of a step
PROGRESS_S: Final = 1.0  # between two writes of a position that only moved on
RELOADS_WAITING_MAX: Final = 64  # requests for a reload while one is being read; one reading answers them all
RECENT_EVENTS_MAX: Final = 512  # kept in memory for people; history is in the store
WINDOW_S: Final = 10  # seconds that "now" means in status

# ---- judging --------------------------------------------------------------------------------------------------------------------
BASELINE_S: Final = 300.0  # of stable's past: a p99 that a quiet minute or a burst does not make
BASELINE_SLOTS: Final = 30  # ten seconds each
BASELINE_ANSWERS_MIN: Final = 1_000  # ten lie beyond its p99, whose rate is then known to a third; slow_ratio leaves room for 3
BASELINE_SLOW_S_MIN: Final = 0.01  # nobody waits for less: a new connection or a busy processor takes as long
WARM_UP_S: Final = 30.0  # of a candidate's serving, before answers count as slow by stable's p99: caches fill, compilers run
OUTAGE_S: Final = 30.0  # the past in which stable's own failures are an outage: some steps are not much longer
OUTAGE_RATE: Final = 0.2  # of stable's requests; a service that always fails more of them is promoted by hand
CHECK_RESULTS_KEPT: Final = 30  # of each check: five minutes at the default interval; they are stored with every second of progress
CHECK_WINDOW_SLOTS: Final = 60  # of a check's window, which is at most one of them short

# ---- configuration --------------------------------------------------------------------------------------------------------------
CONFIG_BYTES_MAX: Final = 16 * 1024 * KiB
CONFIG_POLL_S: Final = 2.0  # the slow poll behind the directory watch
ROUTES_MAX: Final = 20_000
SERVICES_MAX: Final = 2_000
VERSIONS_PER_SERVICE_MAX: Final = 100
ENDPOINTS_PER_VERSION_MAX: Final = 1_000
CONFIG_NODES_MAX: Final = 2_000_000  # keys and values after aliases are expanded; 20,000 routes have about 300,000
CONFIG_DEPTH_MAX: Final = 64  # nesting; the deepest key of the format stands at 8, and a parser in C has no other floor
CONFIG_FILES_MAX: Final = 1_000  # files of one configuration directory
CONFIG_MISTAKES_MAX: Final = 200  # mistakes told in one run; a person fixes the first few and runs it again
CONFIG_QUICK_LOOK_S: Final = 0.15  # between two looks at the files' stat; two like looks make a change, so 0.3 s to notice
WORKERS_MAX: Final = 256  # processes; more than the cores of any machine this is meant for
NAME_CHARS_MAX: Final = 63  # listeners, services, versions: they become labels of metrics and parts of URLs
UNIX_PATH_BYTES_MAX: Final = 107  # sun_path of Linux has 108 with its closing zero
REGEX_CHARS_MAX: Final = 512  # a longer pattern wants several routes; it runs on the request path
MATCH_FIELDS_MAX: Final = 32  # headers, query parameters or methods in one match; each is looked at per request
RULES_MAX: Final = 32  # header rules of one kind in a route; each is looked at in every head that passes
LABELS_PER_VERSION_MAX: Final = 32
STEPS_PER_ROLLOUT_MAX: Final = 50
CHECKS_PER_ROLLOUT_MAX: Final = 50  # each may be a query of another machine at every interval
HOOKS_PER_ROLLOUT_MAX: Final = 20
HOOK_RETRIES_MAX: Final = 10  # a hook that has failed eleven times in a row has said no
FREEZES_PER_ROLLOUT_MAX: Final = 50
CHECK_WINDOW_S_MAX: Final = 3600.0  # of a check's past; a longer one answers for what the step did not do
QUERY_CHARS_MAX: Final = 4096  # of PromQL; it travels in a URL's query
JSON_PATH_CHARS_MAX: Final = 256
NOTIFICATIONS_MAX: Final = 20  # each has a queue and a task of its own
SHADOW_RULES_MAX: Final = 100  # paths that are ignored or allowed; each is held against every difference
SCHEMAS_PER_VERSION_MAX: Final = 32  # database schemas that a version says it runs on
OVERRIDES_PER_SERVICE_MAX: Final = 100
TRUSTED_PROXIES_MAX: Final = 256  # networks per listener; each is compared for every new connection
DURATION_S_MAX: Final = 366 * 24 * 3600.0  # a year; more is a slip of the unit

# ---- history --------------------------------------------------------------------------------------------------------------------
HISTORY_REVISIONS_KEPT: Final = 200  # per service; never fewer than the 50 that are promised
SERIES_ROLLOUTS_KEPT: Final = 50  # per service; each has a revision at least, and a series is up to 100 KiB
SERIES_STRETCH_S: Final = 2.0  # at most, of a series' first stretches: a rollback takes seconds. They double when there are too many
EXPOSURE_KEPT_S: Final = 5.0  # between two writes of a blast radius at least: 1 MiB with 100,000 users
SERIES_POINTS_MAX: Final = 200  # of one rollout; a terminal shows a hundred, and two hours at ten seconds are 720

# ---- admin API ------------------------------------------------------------------------------------------------------------------
ADMIN_BODY_BYTES_MAX: Final = 64 * KiB  # a command is a line of JSON
ADMIN_TEXT_CHARS_MAX: Final = 1000  # a reason or a name that goes into the history
ADMIN_COMMAND_TIMEOUT_S: Final = 30.0  # an answer to a write: a reload of 10,000 routes and a worker replaced on the way
HISTORY_PAGE_MAX: Final = 200
EVENT_STREAMS_MAX: Final = 64  # readers of events at a time; each is a connection that stays
EVENT_STREAM_LOOK_S: Final = 0.1  # between two looks for new events
EVENT_STREAM_PING_S: Final = 15.0  # a comment in a silent stream, so that proxies between keep it and a dead reader is noticed

# ---- calls to the outside -------------------------------------------------------------------------------------------------------
CALLS_IN_FLIGHT_MAX: Final = 64  # of hooks and gates, and as many of queries; each has a connection, and a dead network keeps them all
CALL_RETRY_S_MIN: Final = 1.0  # before the second try of a hook or a notification; twice as long before each next
CALL_RETRY_S_MAX: Final = 30.0
HOOK_ANSWER_BYTES_MAX: Final = 4 * KiB  # read of a hook's answer: its start is shown, the rest nobody asked for
HOOK_SAID_CHARS_MAX: Final = 512  # of it, in the history
HOOKS_TELLING_MAX: Final = 8  # after_* hooks of one service under way; the oldest is given up for a ninth
HEARD_AGAIN_S: Final = 1.0  # until an answer that the loop could not act on is entered again
QUERY_ANSWER_BYTES_MAX: Final = 1024 * KiB  # one number is wanted; an answer of this size has thousands of series
QUERY_SAID_CHARS_MAX: Final = 200  # of an error that a source tells
NOTIFICATIONS_WAITING_MAX: Final = 256  # of one target, about 1 MiB; then the oldest are dropped and counted
NOTIFICATION_TRIES_MAX: Final = 5  # over half a minute; a receiver that is away for longer can read the history
NOTIFICATION_ANSWER_BYTES_MAX: Final = 4 * KiB
NOTIFICATIONS_CLOSE_S: Final = 2.0  # for what still waits when headgate ends

# ---- command line ---------------------------------------------------------------------------------------------------------------
ADMIN_CALL_TIMEOUT_S: Final = 10.0  # above PREPARE_TIMEOUT_S + COMMIT_TIMEOUT_S, which a reload may take
DIFF_CALL_TIMEOUT_S: Final = 120.0  # reading 20,000 routes once more, where it may not take the loop's time
ADMIN_ANSWER_BYTES_MAX: Final = 32 * 1024 * KiB  # the effective configuration of 20,000 routes is about 10 MiB
TOKEN_BYTES_MAX: Final = 4 * KiB  # a bearer token; a longer file is the wrong file
WATCH_INTERVAL_S: Final = 1.0  # between two looks of `status --watch` and `rollout watch`
WATCH_LOST_MAX_S: Final = 15.0  # a watched proxy may restart; away for longer it is gone
FOLLOW_LOST_MAX_S: Final = 120.0  # while a pipeline waits for a rollout: a new machine for the proxy takes that long
WATCH_REPEAT_S: Final = 60.0  # a line at least in a log, while a rollout goes on and nothing changes
WATCH_DECISIONS: Final = 6  # latest decisions that a watch shows

# ---- simulation -----------------------------------------------------------------------------------------------------------------
SIMULATED_RUNS_MAX: Final = 100_000  # rollouts of one report: a false-alarm rate of 0.001 to a tenth; minutes of computing
SIMULATED_RPS_MAX: Final = 1_000_000.0  # requests a second; more than a machine this runs on can be asked
SIMULATED_LATENCY_S_MAX: Final = 60.0  # a median; the last bound of the latency histogram, above which no quantile is told
SIMULATED_USERS_MAX: Final = 10_000_000  # people of one rollout; those whom errors strike are kept, 1 % of them in 10 MiB

# ---- comparing answers ----------------------------------------------------------------------------------------------------------
COMPARED_BODY_BYTES_MAX: Final = 4 * 1024 * KiB  # a body after its coding is taken off; what claims to be more is compared as it came
COMPARED_DEPTH_MAX: Final = 32  # nesting of JSON that is walked; below it values are equal or not
NAMED_MEMBERS_MAX: Final = 64  # members that an object has names for; one with more is a map, and its keys are data
MEMBERS_REMEMBERED_MAX: Final = 4096  # names of members, as steps of paths
DIFFERENCES_PER_PAIR_MAX: Final = 50  # one answer in another format would else be a path for each of its values
DIFFERENCE_CHARS_MAX: Final = 120  # a value that is shown to people
COMPARED_PATHS_MAX: Final = 500  # (route, path, kind) of a service that are counted; more are counted together
COMPARED_ROUTES_MAX: Final = 200  # routes of a service that are counted apart; more are counted together
SAMPLES_PER_PATH_MAX: Final = 5  # pairs kept for people to look at
COMPARISONS_FILE_BYTES_MAX: Final = 16 * 1024 * KiB  # of counts and samples on disk, all services together
DIFFERENT_PATHS_TOLD_MAX: Final = 10  # in a sentence; the report has all
CAPTURED_BYTES_MAX: Final = 32 * 1024 * KiB  # of answers that a worker keeps to be compared, all services together
COMPARING_PAIRS_MAX: Final = 256  # of a worker that the comparer has not answered yet; more are dropped and counted
COMPARING_BACKLOG_BYTES_MAX: Final = 8 * 1024 * KiB  # of them that the comparer has not read yet
COMPARER_RETRY_S: Final = 0.2  # between two tries to reach the comparer; pairs are dropped meanwhile
COMPARER_QUEUE_PAIRS_MAX: Final = 8  # read and not yet compared; the rest waits in the sockets, at the workers' expense
COMPARER_TELL_S: Final = 1.0  # between two summaries
COMPARER_KEEP_S: Final = 10.0  # between two writings of its file
COMPARER_ANSWER_S: Final = 5.0  # for a report, and to end in
COMPARER_CPU_SHARE: Final = 0.5  # of one core; what comes faster backs up, and is dropped and counted at its worker
