"""Rollouts on a virtual clock: the live machine and judge against a synthetic candidate. Pure; time and chance are arguments.

How it fits together: ``traffic`` (and ``crowd``, of known users) says what is asked and how it ends; ``play`` lets the machine and the
judge live through it, leaping (``leaps``) from one look that matters to the next, with ``reported`` for the workers and ``outside`` for
the rest of the world; ``report`` plays many. ``policies`` are the rules of other tools, which ``rehearsal`` plays on what a metrics
server would have ``scraped``; ``comparison`` puts all of them through the same ``incidents``. ``replay`` plays a recorded rollout.
"""

from proxy.simulation.report import Report, simulate
from proxy.simulation.traffic import Traffic

__all__ = ["Report", "Traffic", "simulate"]
