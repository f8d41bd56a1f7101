"""The YAML in the documents is the format's: every snippet is read where it belongs, and no key or value of it is refused."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config import ConfigInvalid, load, schema
from tests.house.tree import ROOT

FORMAT = [
    "README.md",
    *(f"docs/{name}.md" for name in ("configuration", "history", "hooks-and-checks", "judging", "rollouts", "shadow")),
]
ENDPOINTS = ["127.0.0.1:9001"]
SHAPE = re.compile(r"is no known key|is needed here|is not allowed|is no |out of range")
"""Words of mistakes within a value. What a snippet leaves out (a version, a file on this disk) is not held against it."""


class _Format(yaml.SafeLoader):
    """Words like ``on`` are words, as they are to headgate."""


_Format.yaml_implicit_resolvers = {
    mark: [(tag, pattern) for tag, pattern in found if not tag.endswith((":bool", ":timestamp", ":int"))]
    for mark, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Format.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
_Format.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?[0-9]+$"), list("-+0123456789"))


class _Written(yaml.SafeDumper):
    """The same, the other way."""


_Written.yaml_implicit_resolvers = _Format.yaml_implicit_resolvers


def snippets(text: str) -> list[str]:
    """The fenced YAML of a document."""
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def places(snippet: Any) -> list[dict[str, Any]]:
    """Whole configurations with the snippet in each place whose keys it has."""
    if not isinstance(snippet, dict):
        return []
    keys = set(snippet)
    versions = {name: {"endpoints": ENDPOINTS} for name in ("v1", "v2")}
    parts = [
        (schema.File, lambda part: part),
        (schema.Service, lambda part: {"services": {"shop": part}}),
        (schema.Rollout, lambda part: {"services": {"shop": {"rollout": part}}}),
        (schema.Version, lambda part: {"services": {"shop": {"versions": {"v1": part}}}}),
        (schema.Route, lambda part: {"routes": [part]}),
        (schema.Listener, lambda part: {"listeners": [part]}),
    ]
    whole = []
    for part, put in parts:
        if keys <= {info.alias or name for name, info in part.model_fields.items()}:
            made: dict[str, Any] = put(deepcopy(snippet))
            made.setdefault("listeners", [{"name": "web", "address": "127.0.0.1:8080"}])
            made.setdefault("services", {"shop": {}})
            for service in made["services"].values():
                service.setdefault("versions", versions)
                if "traffic" not in service:
                    service.setdefault("target", next(iter(service["versions"])))
            made.setdefault("routes", [{"match": {}, "service": "shop"}])
            whole.append(made)
    return whole


def refused(made: dict[str, Any], folder: Path) -> list[str]:
    """Mistakes within the snippet's own keys and values."""
    file = folder / "snippet.yaml"
    file.write_text(yaml.dump(made, Dumper=_Written, sort_keys=False), encoding="utf-8")
    try:
        load(file, env={"SLACK_WEBHOOK_URL": "http://chat"})
    except ConfigInvalid as error:
        return [str(mistake) for mistake in error.mistakes if SHAPE.search(mistake.text) and "no version of" not in mistake.text]
    return []


def misread(text: str, folder: Path) -> list[list[str]]:
    """For each snippet of a document that no place takes as it is: the mistakes of the place that takes most of it."""
    found = []
    for snippet in snippets(text):
        tries = [refused(made, folder) for made in places(yaml.load(snippet, Loader=_Format))]
        if [] not in tries:
            found.append(min(tries, key=len) if tries else [f"belongs nowhere: {snippet}"])
    return found


@pytest.mark.parametrize("name", FORMAT)
def test_every_snippet_of_the_format_is_read(name: str, tmp_path: Path) -> None:
    assert [] == misread((ROOT / name).read_text(encoding="utf-8"), tmp_path)


def test_there_are_snippets() -> None:
    assert 30 < sum(len(snippets((ROOT / name).read_text(encoding="utf-8"))) for name in FORMAT)


@pytest.mark.parametrize(
    "snippet", ["rollout: {steps: [{wait: 5m}]}", "warp: 9", "rollout: {deadline: 5}", "fallback: sometimes", "strategy: purple"]
)
def test_a_snippet_that_is_not_of_the_format_is_found(snippet: str, tmp_path: Path) -> None:
    assert 1 == len(misread(f"```yaml\n{snippet}\n```\n", tmp_path))
