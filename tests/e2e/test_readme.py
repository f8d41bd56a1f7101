"""The tour of the README, every command of it in its order, in one shell, on free ports, with real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOUR_S_MAX = 90.0
PORTS = ("PORT", "ADMIN_PORT", "V1_PORT", "V2_PORT", "V3_PORT")


def tour(text: str) -> list[str]:
    """The commands of the tour: the ``sh`` blocks of its section."""
    section = text.partition("## A five-minute tour")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def environment() -> dict[str, str]:
    """This environment with free ports for the tour, our commands first on the path, and none of our own settings."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in PORTS]
        for sock in held:
            sock.bind(("127.0.0.1", 0))
        ports = {name: str(sock.getsockname()[1]) for name, sock in zip(PORTS, held, strict=True)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    return inherited | ports | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def walk(blocks: list[str], directory: Path) -> tuple[int, str]:
    """Exit code and output of all blocks in one bash that stops at the first failure; nothing of it is left afterwards."""
    script = "set -euo pipefail\n" + "".join(f"echo '=== {n}'\n{block}" for n, block in enumerate(blocks, 1))
    with (directory / "tour.log").open("wb") as log:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=directory, env=environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = shell.wait(TOUR_S_MAX)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait(10)
    logs = [directory / "tour.log", *sorted(directory.glob("headgate.*"))] if code else [directory / "tour.log"]
    return code, "\n".join(path.read_text("utf-8", "replace") for path in logs if path.suffix != ".db")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the whole tour printed; it ended with 0."""
    code, out = walk(tour((ROOT / "README.md").read_text("utf-8")), tmp_path_factory.mktemp("tour"))
    assert code == 0, out
    return out


def block(walked: str, n: int) -> str:
    """What the ``n``-th block printed."""
    return walked.partition(f"=== {n}\n")[2].partition("=== ")[0]


def test_the_tour_has_all_its_blocks() -> None:
    assert 10 == len(tour((ROOT / "README.md").read_text("utf-8")))


def test_v1_carries_all_a_hundred_users_at_first(walked: str) -> None:
    assert ["100", '"version":', '"v1"'] == block(walked, 4).split()


def test_the_good_version_is_promoted(walked: str) -> None:
    assert "shop: stable, stable v2" in block(walked, 5)


def test_the_bad_version_is_rolled_back_and_everybody_is_on_v2(walked: str) -> None:
    said = block(walked, 6)

    assert "exit code 1: rolled back" in said
    assert ["100", '"version":', '"v2"'] == said.splitlines()[-1].split()


def test_the_history_says_what_happened(walked: str) -> None:
    said = block(walked, 7)

    assert all(word in said for word in ("promoted", "rolled_back")), said


def test_the_metrics_name_every_version_that_answered(walked: str) -> None:
    assert {"v1", "v2", "v3"} == set(re.findall(r'headgate_requests_total\{[^}]*version="(v\d)"', block(walked, 7)))


def test_the_history_is_explained(walked: str) -> None:
    assert "rolled back" in block(walked, 7)


def test_a_switch_takes_everybody_over_and_undo_takes_them_back(walked: str) -> None:
    said = block(walked, 8)

    assert "shop: v1 has everything; switched in" in said
    assert "shop: stable, stable v2" in said


def test_a_broken_file_is_refused_with_its_place(walked: str) -> None:
    said = block(walked, 9)

    assert re.search(r"headgate\.yaml:\d+:\d+: services\.shop\.rollout\.steps\[0\]\.wieght: .*weight", said), said
    assert '"version": "v2"' in said


def test_a_command_that_fails_stops_the_tour(tmp_path: Path) -> None:
    code, out = walk(["echo one\n", "false\n", "echo three\n"], tmp_path)

    assert (1, False) == (code, "three" in out)
