"""The load test: what a request costs headgate, beside nginx, HAProxy and Envoy doing the same work in the same minutes.

Not installed with the product. ``scenarios`` says what is asked, ``contenders`` who answers, ``compare`` runs them in turns on pinned
cores, ``cpu`` reads what they used, ``report`` and ``budgets`` say what it means. See loadtest/README.md.
"""
