"""The admin API: what operators, probes and Prometheus talk to. Nothing it can do is done anywhere but in ``control``."""
