"""Rollouts on a virtual clock: the live machine and guard against a synthetic candidate. Pure; time and chance are arguments."""

from proxy.simulation.report import Report, simulate
from proxy.simulation.traffic import Traffic

__all__ = ["Report", "Traffic", "simulate"]
