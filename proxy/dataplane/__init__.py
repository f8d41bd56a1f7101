"""Answering requests, in a worker process. Knows a compiled table; nothing of YAML, git, rollouts or SQL, and never waits for them.

The stations of a request, in order: ``server`` (accept), ``downstream`` (the client's connection), ``exchange`` (one request: which
version, which connection, what came of it), ``pool`` (connections by endpoint), ``upstream`` (the origin's connection). Beside them
``legs`` (a version as the table sees it), ``wheel`` (time-outs), ``forwarding`` (header rules). ``plane`` is the whole.
"""
