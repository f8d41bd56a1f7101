"""What the container image promises, read from the Dockerfile: there is no Docker engine where the tests run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field

import pytest

from tests.house.tree import ROOT

COMPILERS = ("gcc", "g++", "clang", "build-essential", "cargo", "rustc", "make", "python3-dev")


@dataclass
class Stage:
    """One ``FROM`` and what follows it, as (instruction, rest of the line) pairs with continuations joined."""

    image: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """The operand of the last such instruction, or empty."""
        return next((rest for name, rest in reversed(self.steps) if name == instruction), "")


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile."""
    joined = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(str.strip, joined.splitlines()):
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() == "FROM":
            found.append(Stage(rest.split()[0]))
        else:
            found[-1].steps.append((instruction.upper(), rest.strip()))
    return found


def findings(text: str) -> list[str]:
    """Each promise the Dockerfile does not keep."""
    built = stages(text)
    last = built[-1]
    user = last.last("USER").split(":")[0]
    everything = " ".join(rest for _, rest in last.steps)
    promises = {
        "wheels are built in a stage of their own": len(built) == 2 and "pip wheel" in built[0].last("RUN"),
        "the last stage is a slim Python": last.image == "python:3.12-slim",
        "no compiler in the last stage": not set(COMPILERS) & set(shlex.split(everything, posix=True)),
        "the last stage installs what was built and nothing else": "--no-index" in last.last("RUN"),
        "a user by number that is not the superuser": user.isdigit() and int(user) > 0,
        "the health check is our own verb": '["headgate", "healthcheck"]' in last.last("HEALTHCHECK"),
        "TERM stops it, and TERM drains": last.last("STOPSIGNAL") in ("TERM", "SIGTERM"),
        "traffic and admin are exposed": {"8080", "9900"} <= set(last.last("EXPOSE").split()),
        "it runs headgate on /etc/headgate": _command(last) == ["headgate", "run", "--config", "/etc/headgate"],
        "the health check finds the same configuration": "HEADGATE_CONFIG=/etc/headgate" in last.last("ENV"),
    }
    return [promise for promise, kept in promises.items() if not kept]


def _command(stage: Stage) -> list[str]:
    return [word for part in ("ENTRYPOINT", "CMD") if stage.last(part) for word in json.loads(stage.last(part))]


DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_keeps_its_promises() -> None:
    assert [] == findings(DOCKERFILE)


@pytest.mark.parametrize(
    ("old", "new", "promise"),
    [
        ("USER 10001:10001", "USER root", "a user by number that is not the superuser"),
        ("USER 10001:10001", "", "a user by number that is not the superuser"),
        ('CMD ["headgate", "healthcheck"]', "CMD curl -f http://localhost", "the health check is our own verb"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "TERM stops it, and TERM drains"),
        ("EXPOSE 8080 9900", "EXPOSE 8080", "traffic and admin are exposed"),
        ("&& mkdir -p", "&& apt-get install -y gcc && mkdir -p", "no compiler in the last stage"),
        ("--no-index ", "", "the last stage installs what was built and nothing else"),
        (" AS build", " AS build\nRUN true", "wheels are built in a stage of their own"),
    ],
)
def test_a_broken_promise_is_found(old: str, new: str, promise: str) -> None:
    broken = DOCKERFILE.replace(old, new)
    if promise.startswith("wheels"):
        broken = broken.replace("RUN pip wheel", "RUN echo")

    assert promise in findings(broken)


def test_only_what_the_wheel_is_built_from_reaches_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert {"proxy", "pyproject.toml", "README.md"} == kept
