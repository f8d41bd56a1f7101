"""Deciding a rollout: the machine (``machine``), its vocabulary (``events``), its strategies. Pure; performs nothing."""
