"""headgate: a traffic-splitting reverse proxy for progressive delivery.

Two planes that share nothing but two frozen messages. The *data plane* (``dataplane``, in worker processes) answers requests on a
compiled table and counts. The *control plane* (``control``, in the supervisor process) reads intent, remembers position, judges and
publishes. See ARCHITECTURE.md for the map and the import ranks.
"""

__version__ = "0.1.0"
