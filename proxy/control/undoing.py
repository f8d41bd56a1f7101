"""Which version an undo means: the one that was stable before, the one that was stable after a revision, or one by its name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from proxy.control.events import UnknownName
from proxy.errors import OperatorError
from proxy.model.position import Position, Revision
from proxy.model.service import Service, Version


def undone_to(service: Service, position: Position, history: Sequence[Revision], to: str) -> Version:
    """The version to go back to. ``history`` is newest first; ``to`` is empty, a version's name, or a revision's number.

    A version's name comes first: one that is called ``2`` is meant by ``2``. Raises ``UnknownName`` or ``OperatorError`` saying what
    there is.
    """
    named = service.version(to)
    if named is not None:
        return named
    if not to:
        previous = position.previous or _before(position.stable, history)
        if not previous:
            raise OperatorError(
                f"{service.name}: nothing to undo: no version was stable before {position.stable}"
                f"{_since(history)}; name one: {_versions(service)}"
            )
        return _configured(service, previous, f"was stable before {position.stable}")
    if not (to.isascii() and to.isdigit()):
        raise UnknownName(f"service {service.name} has no version {to!r}; it has {_versions(service)}, and {_revisions(history)}")
    found = next((revision for revision in history if revision.revision == int(to)), None)
    if found is None:
        raise UnknownName(
            f"service {service.name} has no revision {to}; {_revisions(history)}, and its versions are {_versions(service)}"
        )
    return _configured(service, found.position.stable, f"was stable after revision {to}")


def _before(stable: str, history: Sequence[Revision]) -> str:
    """What was stable before the present stable was promoted, as the history has it."""
    for newer, older in pairwise(history):
        if newer.position.stable == stable != older.position.stable:
            return older.position.stable
    return ""


def _configured(service: Service, name: str, why: str) -> Version:
    version = service.version(name)
    if version is None:
        raise UnknownName(
            f"{service.name}: {name} {why}, and is no longer in the configuration; put it back, or choose of {_versions(service)}"
        )
    return version


def _versions(service: Service) -> str:
    return ", ".join(version.name for version in service.versions)


def _revisions(history: Sequence[Revision]) -> str:
    return f"its history has revisions {history[-1].revision} to {history[0].revision}" if history else "its history is empty"


def _since(history: Sequence[Revision]) -> str:
    return f" since revision {history[-1].revision}" if history else ""
