"""What every mapping of the file has in common."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")
Items = list[T | None]
"""A list of the file; an item that was refused becomes None while the rest is checked."""


class Part(BaseModel):
    """A mapping of the file. ``NOT_SERVED``: keys of the format that this version does not act on, and therefore refuses."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    NOT_SERVED: ClassVar[frozenset[str]] = frozenset()
