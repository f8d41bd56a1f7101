"""What the documents name exists: configurations load, commands are verbs, metrics are exported."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from textwrap import indent

import click
import pytest

from tests.house.ranks import RANKS
from tests.house.tree import ROOT, Source, sources

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
DOCUMENTS = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md"))]
SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_created", "_info")
"""What the exposition format adds to a metric's name."""


def test_there_are_example_configurations() -> None:
    assert {"minimal.yaml", "canary.yaml", "sidecar.yaml", "edge.yaml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_an_example_configuration_loads(path: Path) -> None:
    from proxy.config import load

    assert load(path, env={}).listeners


FRAGMENTS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "hooks-and-checks.md").read_text(encoding="utf-8"), re.DOTALL)


GUIDE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "rollouts.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", GUIDE, ids=range(len(GUIDE)))
def test_an_example_of_the_guide_to_rollouts_loads(text: str, tmp_path: Path) -> None:
    from proxy.config import load

    endpoints = "[127.0.0.1:9001, 127.0.0.1:9002]"
    service = f"versions: {{v1: {{endpoints: {endpoints}}}, v2: {{endpoints: {endpoints}}}}}\ntarget: v1\n{text}"
    file = tmp_path / "headgate.yaml"
    whole = f"listeners: [{{name: web, address: 127.0.0.1:0}}]\nservices:\n  shop:\n{indent(service, '    ')}"
    file.write_text(f"{whole}\nroutes: [{{match: {{}}, service: shop}}]\n", encoding="utf-8")

    assert load(file, env={}).services


def test_the_guide_to_rollouts_has_an_example_of_every_strategy() -> None:
    assert {"canary", "blue_green", "rolling", "shadow"} == set(re.findall(r"strategy: (\w+)", "".join(GUIDE)))


def test_hooks_and_checks_have_examples() -> None:
    assert ["rollout", "steps", "rollout", "notifications"] == [text.partition(":")[0] for text in FRAGMENTS]


@pytest.mark.parametrize("text", FRAGMENTS, ids=lambda text: text.partition(":")[0])
def test_an_example_of_hooks_and_checks_loads(text: str, tmp_path: Path) -> None:
    from proxy.config import load

    rollout = f"rollout:\n{indent(text, '  ')}" if text.startswith("steps:") else text if text.startswith("rollout:") else ""
    service = f"versions: {{v1: {{endpoints: [127.0.0.1:9001]}}}}\ntarget: v1\n{rollout}"
    whole = f"listeners: [{{name: web, address: 127.0.0.1:0}}]\nservices:\n  shop:\n{indent(service, '    ')}"
    file = tmp_path / "headgate.yaml"
    file.write_text(f"{whole}\nroutes: [{{match: {{}}, service: shop}}]\n{'' if rollout else text}", encoding="utf-8")

    assert load(file, env={"SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/x"}).services


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    assert [] == unknown_commands(path.read_text(encoding="utf-8"), command_line())


def test_every_metric_in_the_documents_is_exported() -> None:
    exported = strings(sources("proxy"))

    assert {} == {path.name: missing for path in DOCUMENTS if (missing := unknown_metrics(path.read_text(encoding="utf-8"), exported))}


def test_the_map_of_the_architecture_has_every_package_at_its_rank() -> None:
    assert RANKS == mapped((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")) | {"__main__": RANKS["__main__"]}


def test_a_package_of_the_map_is_read_with_its_rank() -> None:
    assert {"a": 0, "b": 0, "c": 12} == mapped("| rank |\n| 0 | `a` `b` | `x` |\n| 12 | `c` | as `d` |\n| x | `e` |")


def mapped(text: str) -> dict[str, int]:
    """Rank by package, of the table rows that begin with a rank."""
    rows = re.findall(r"^\| (\d+) \| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    return {name: int(rank) for rank, names in rows for name in re.findall(r"`(\w+)`", names)}


def test_the_changelog_names_every_key_that_this_version_refuses() -> None:
    from proxy.config.shape import NOT_SERVED

    assert [] == unnamed(NOT_SERVED, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


def test_a_refused_key_that_the_changelog_leaves_out_is_found() -> None:
    assert ["warp"] == unnamed({"warp", "shadow"}, "refuses `shadow: {percent: 5}` and speaks of warp")


def unnamed(words: Collection[str], text: str) -> list[str]:
    """The words that stand in no code span of ``text``."""
    spans = " ".join(re.findall(r"`([^`\n]+)`", text))
    return sorted(word for word in words if not re.search(rf"\b{word}\b", spans))


def command_line() -> click.Group:
    """The group behind ``headgate``."""
    module = importlib.import_module("proxy.cli.main")
    groups = [value for value in vars(module).values() if isinstance(value, click.Group)]
    assert groups, "proxy.cli.main holds no click group"
    return max(groups, key=lambda group: len(group.commands))


def unknown_commands(text: str, root: click.Group) -> list[str]:
    """Command lines in code (spans and fenced blocks) that begin with ``headgate`` and name no verb there is."""
    spans = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    found = []
    for span in spans:
        for words in re.findall(r"(?:^|[;&|$(]\s*)(?:\S*/)?headgate((?: [a-z][a-z-]*)+)", span.strip()):
            command: click.Command = root
            for word in words.split():
                if not isinstance(command, click.Group):
                    break
                if word not in command.commands:
                    found.append(f"headgate{words}")
                    break
                command = command.commands[word]
    return sorted(set(found))


def unknown_metrics(text: str, exported: Collection[str]) -> list[str]:
    """Metrics named in ``text`` that no string of the code names."""
    named = set(re.findall(r"\bheadgate_[a-z][a-z_]*[a-z]\b", text))
    return sorted(name for name in named if not {name, *(name.removesuffix(s) for s in SUFFIXES)} & set(exported))


def strings(files: Iterable[Source]) -> set[str]:
    """Every string constant of the sources."""
    return {
        node.value
        for source in files
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.fixture
def verbs() -> click.Group:
    rollout = click.Group("rollout", commands={"start": click.Command("start")})
    return click.Group("headgate", commands={"run": click.Command("run"), "rollout": rollout})


@pytest.mark.parametrize(
    "text",
    ["`headgate fly`", "```console\n$ headgate fly --high\n```", "`headgate rollout land`", "`.venv/bin/headgate fly`"],
)
def test_a_command_that_does_not_exist_is_found(text: str, verbs: click.Group) -> None:
    assert 1 == len(unknown_commands(text, verbs))


@pytest.mark.parametrize("text", ["`headgate run`", "`headgate rollout start shop --to v2`", "headgate flies", "`headgate --help`"])
def test_a_command_that_exists_is_not_found(text: str, verbs: click.Group) -> None:
    assert [] == unknown_commands(text, verbs)


def test_a_metric_that_is_not_exported_is_found() -> None:
    assert ["headgate_smiles_total"] == unknown_metrics("`headgate_smiles_total{x}` `headgate_x_total`", {"headgate_x"})


def test_a_configuration_that_does_not_load_is_found(tmp_path: Path) -> None:
    from proxy.config import ConfigInvalid, load

    bad = tmp_path / "bad.yaml"
    bad.write_text("listenerz: []\n", encoding="utf-8")

    with pytest.raises(ConfigInvalid):
        load(bad, env={})
