"""YAML to ``model.Intent``: what the operator wrote, checked whole, or every mistake in it with its place.

The way: ``sources`` (bytes) - ``document`` (one file's tree, places kept) - ``environment`` - ``merge`` (several files, ``--set``) -
``shape`` (the tree against ``schema``) - ``check`` (what takes two places) - ``build`` (the frozen model, and back).
``discovery`` finds the file and ``watch`` notices that it changed. Knows nothing of the running proxy:
what a change would do to what runs is the controller's, and ``diff`` only says what has changed.
"""

from proxy.config.build import effective
from proxy.config.discovery import discover
from proxy.config.places import ConfigInvalid, Mistake
from proxy.config.reader import load, load_text
from proxy.config.schema import json_schema
from proxy.config.watch import Watcher

__all__ = ["ConfigInvalid", "Mistake", "Watcher", "discover", "effective", "json_schema", "load", "load_text"]
