"""The demo's processes and files: started, watched, and gone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli.demo.stage import CONFIG, Stage
from proxy.config import load
from proxy.errors import OperatorError


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Stage() as one:
        yield one


def pids(stage: Stage) -> list[int]:
    return [child.process.pid for child in stage.children]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_file_it_writes_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "headgate.yaml"
    path.write_text(CONFIG.format(port=1, admin=2, state="state.db", target="v1", v1=3, v2=4, v3=5))

    assert "v1" == load(path, env={}).services[0].target


def test_an_origin_answers_on_the_port_it_named(stage: Stage) -> None:
    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", await stage.start_origin("v2"))
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert b'"version": "v2"' in asyncio.run(asyncio.wait_for(ask(), 20))


def test_nothing_is_left_after_the_end(stage: Stage) -> None:
    asyncio.run(stage.start_origin("v1"))
    started = pids(stage)

    stage.close()

    assert ([False], False) == ([alive(pid) for pid in started], stage.directory.exists())


def test_ending_twice_is_ending_once(stage: Stage) -> None:
    stage.close()

    stage.close()


def test_a_child_that_died_is_named_with_how(stage: Stage) -> None:
    asyncio.run(stage.start_origin("v1"))
    os.kill(pids(stage)[0], signal.SIGKILL)
    stage.children[0].process.wait(10)

    with pytest.raises(OperatorError, match=r"origin v1 ended unexpectedly \(signal SIGKILL\)"):
        stage.check()


def test_an_edit_of_the_target_changes_only_the_target(stage: Stage) -> None:
    for version in ("v1", "v2", "v3"):
        asyncio.run(stage.start_origin(version))
    stage.write_target("v1")
    before = stage.config.read_text()

    stage.write_target("v2")

    assert before.replace("target: v1", "target: v2") == stage.config.read_text()
