"""What every mapping of the file has in common."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")
Items = list[T | None]
"""A list of the file; an item that was refused becomes None while the rest is checked."""


class Part(BaseModel):
    """A mapping of the file; a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
