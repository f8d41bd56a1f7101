"""Answering requests, in a worker process. Knows a compiled table; nothing of YAML, git, rollouts or SQL, and never waits for them.

The stations of a request, in order: ``listening`` and ``door`` (how a client comes in; ``tls``, ``room``), ``downstream`` (reading from
its ``connection``; ``pace``, ``departures``), ``exchange`` (one request, relayed) on ``attempts`` (which endpoint, what follows a
failure; ``retrying``) and ``outcomes`` (its one end), ``pool`` (connections by endpoint; ``backlog``, ``names`` and their ``resolver``,
``origin_tls``), ``upstream`` (the origin's connection), or ``tunnel`` once both sides agreed. ``own_answers`` counts and tells of what
the proxy answers by itself.

Beside them: ``legs`` (a version as the table sees it; ``health``, ``ejection``), ``rules`` (what a route does beyond naming a service;
``rate``, ``redirecting``), ``forwarding`` (header rules of every request), ``longlived`` (what a rollback has to close), ``cutover``
(what waits while versions switch), ``shares`` (what a bound of a service is to one of several workers), ``candidate_cell`` (whom a
candidate reached), ``tracing``, ``wheel`` (time-outs).

And shadow traffic, which no request waits for: ``mirror`` (who is copied), ``copying`` (one copy, as an exchange of its connection),
``capture`` (keeping answers while they pass), ``comparing`` (giving pairs away), ``mirrors`` (all of a worker). ``plane`` is the whole.
"""
