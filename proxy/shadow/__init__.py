"""Comparing the answers of two versions to the same request, and telling what changed from what differs by itself.

Pure: answers in, differences and verdicts out. The path of a pair: ``compare`` (status, ``fields``, ``bodies``, ``json_diff`` with
``looks``) makes differences, each a path and a kind; ``counts`` counts them beside those of the noise leg, latencies as ``ratio`` has
them; ``verdicts`` judges each path; ``report`` shows it all. ``comparer`` is the whole, and speaks in
``messages``. Knows nothing of sockets, processes or how copies are sent.
"""
