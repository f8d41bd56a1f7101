"""The example pipelines release, and stop on a rollback: their shell steps run as plain shell against a real proxy with real traffic.

The steps are taken from the files as a runner would: one shell each, ``-e``, and what is for failures only after one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.clients import Paced, get
from tests.kit.processes import ROOT, Headgate
from tests.kit.scene import Scene, versions

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"
SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
STEP_S = 40.0


def read(name: str) -> dict[str, Any]:
    """An example; ``on`` is a word here, not YAML 1.1's truth."""
    found: dict[str, Any] = yaml.load((EXAMPLES / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return found


def github(job: str) -> tuple[list[str], list[str], dict[str, str]]:
    """A job's steps, those for a failure, and its own settings."""
    file = read("github-actions.yml")
    steps = [step for step in file["jobs"][job]["steps"] if "run" in step]
    always, failing = [s["run"] for s in steps if "if" not in s], [s["run"] for s in steps if s.get("if") == "failure()"]
    return always, failing, {**file["env"], **file["jobs"][job].get("env", {})}


def gitlab(job: str) -> tuple[list[str], list[str], dict[str, str]]:
    """See ``github``; a script is one shell, and what comes after it another."""
    file = read("gitlab-ci.yml")
    script = "\n".join([*file["default"]["before_script"], *file[job]["script"]])
    after = "\n".join(file[job].get("after_script", []))
    return [script], [after] if after else [], {**file["variables"], **file[job].get("variables", {})}


JOBS = {"github": github, "gitlab": gitlab}
GOOD = {"github": "v2", "gitlab": "v4"}
BAD = {"github": "v3", "gitlab": "v5"}


class Pipeline:
    """A runner on this machine. ``said`` is all that the steps printed."""

    def __init__(self, proxy: Headgate, directory: Path) -> None:
        self.proxy = proxy
        self.directory = directory
        self.said = ""

    def run(self, kind: str, job: str, version: str = "", config: Path | None = None) -> int:
        """The exit code of the first step that failed, or 0."""
        always, failing, settings = JOBS[kind](job)
        own = {name: text for name, text in settings.items() if "$" not in text}
        own |= {
            "HEADGATE_ADMIN": f"http://127.0.0.1:{self.proxy.admin_port}",
            "VERSION": version,
            "CONFIG": str(config or self.proxy.config),
        }
        for step in always:
            code = self._step(step, own)
            if code:
                for last in failing:
                    assert 0 == self._step(last, own | {"CI_JOB_STATUS": "failed"}), self.said
                return code
        return 0

    def _step(self, script: str, settings: Mapping[str, str]) -> int:
        tools = Path(sys.executable).parent
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(self.directory), **settings}
        done = subprocess.run(
            [*SHELL, script], env=environment, cwd=self.directory, capture_output=True, text=True, timeout=STEP_S, check=False
        )
        self.said += done.stdout + done.stderr
        return done.returncode


@pytest.fixture(scope="module")
def pipeline(shared_scene: Scene) -> Iterator[Pipeline]:
    """Before a service with a good and a bad version for each kind to release, under traffic."""
    origins = {name: shared_scene.origin(name) for name in ("v1", *GOOD.values(), *BAD.values())}
    for name in BAD.values():
        origins[name].behave(mode="status")
    shop = {
        "versions": versions(**{name: origin.url for name, origin in origins.items()}),
        "target": "v1",
        "rollout": {"steps": [{"weight": 20, "for": "500ms", "min_requests": 30}]},
    }
    proxy = shared_scene.headgate({"shop": shop})
    with Paced(proxy.port, [get("shop")], rate=100.0).running():
        yield Pipeline(proxy, shared_scene.directory)


@pytest.mark.parametrize("kind", list(JOBS))
def test_a_good_release_passes_and_a_bad_one_stops_the_pipeline(pipeline: Pipeline, kind: str) -> None:
    good = pipeline.run(kind, "release", GOOD[kind])
    assert (0, GOOD[kind]) == (good, pipeline.proxy.service()["stable"]), pipeline.said

    bad = pipeline.run(kind, "release", BAD[kind])
    assert (1, GOOD[kind], "rolled_back") == (bad, (view := pipeline.proxy.service())["stable"], view["phase"]), pipeline.said
    assert f"shop: {BAD[kind]} is rolled back: " in pipeline.said


def test_a_release_that_is_out_already_is_no_failure(pipeline: Pipeline) -> None:
    assert 0 == pipeline.run("github", "release", pipeline.proxy.service()["stable"]), pipeline.said


@pytest.mark.parametrize("kind", list(JOBS))
def test_a_change_of_the_configuration_is_checked_against_what_runs(pipeline: Pipeline, kind: str) -> None:
    wanted = pipeline.proxy.directory / "wanted.yaml"
    wanted.write_text(pipeline.proxy.text().replace("path_prefix: /", "path_prefix: /other"))

    assert 0 == pipeline.run(kind, "check", config=wanted), pipeline.said
    assert re.search(r"- \*/\*  was shop  \d+\.\d requests/s now  then no route \(404\)", pipeline.said), pipeline.said
