"""headgate's data plane with a busy loop in its request path: ``python -m tests.kit.slowed MICROSECONDS PORT ORIGIN_A ORIGIN_B``.

For the test that the load test's budgets catch such a thing. The proxy itself knows nothing of it.
"""

from __future__ import annotations

import sys
from time import thread_time

import uvloop

from loadtest.contenders.plane_alone import serve
from proxy.dataplane.downstream import Downstream


def plant(slow_us: float) -> None:
    """Every piece of a request that comes in costs so much CPU more."""
    plain = Downstream.data_received

    def slowed(self: Downstream, data: bytes) -> None:
        until = thread_time() + slow_us / 1e6
        while thread_time() < until:
            pass
        plain(self, data)

    Downstream.data_received = slowed  # type: ignore[method-assign]  # that is the tampering


if __name__ == "__main__":
    plant(float(sys.argv[1]))
    uvloop.run(serve(*(int(argument) for argument in sys.argv[2:5])))
