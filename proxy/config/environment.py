"""``${NAME}`` and ``${NAME:-default}`` in the text of one scalar. The environment is an argument; knows nothing of YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


class Unset(ValueError):
    """The text cannot be completed; says which name is missing or what is malformed."""


class Environment:
    """Reads names, and remembers the ones it gave out: what was read belongs to the content of the configuration."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.used: dict[str, str] = {}

    def substituted(self, text: str) -> str:
        """``text`` with every reference replaced. As in a shell, ``:-`` also replaces an empty value. ``$${`` is a literal ``${``."""
        return _REFERENCE.sub(self._replacement, text) if "${" in text else text

    def _replacement(self, found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found[1], found[2]
        if name is None:
            raise Unset("has a `${` that is no `${NAME}` or `${NAME:-default}`; write `$${` for a literal `${`")
        value = self._values.get(name, "")
        self.used[name] = value
        if default is not None:
            return value or default
        if name not in self._values:
            raise Unset(f"needs the environment variable {name}, which is not set; set it, or write ${{{name}:-default}}")
        return value


def escaped(text: str) -> str:
    """``text`` so that substitution gives it back."""
    return text.replace("${", "$${")
