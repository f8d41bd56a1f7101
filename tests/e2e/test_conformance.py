"""The framing corpus over sockets, through a started headgate: what holds without sockets is true of the process too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtest.processes import Children
from tests.conformance.peers.stage import OURS, corpus, play_at
from tests.conformance.peers.verdicts import Verdict


@dataclass(frozen=True)
class Run:
    """The verdicts on all cases."""

    verdicts: list[Verdict]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder: Path = tmp_path_factory.mktemp("conformance")
    with Children(folder) as children:
        yield Run(asyncio.run(play_at(OURS, folder, children, "")))


def test_every_case_was_played(run: Run) -> None:
    assert [case["name"] for kind in ("requests", "responses") for case in corpus(kind)] == [v.case for v in run.verdicts]


def test_no_case_makes_two_readers_disagree(run: Run) -> None:
    assert [] == [verdict for verdict in run.verdicts if verdict.desync]


def test_every_case_goes_as_it_lists(run: Run) -> None:
    assert [] == [verdict for verdict in run.verdicts if verdict.differs]
