from __future__ import annotations

from pathlib import Path

import pytest

from proxy import limits
from proxy.config import ConfigInvalid, load
from proxy.errors import OperatorError

EXAMPLES = sorted((Path(__file__).parents[3] / "config").glob("*.yaml"))
GOOD = """\
listeners: [{name: web, address: "127.0.0.1:8080"}]
services: {shop: {versions: {v1: {endpoints: ["127.0.0.1:9001"]}}, target: v1}}
routes: [{match: {}, service: shop}]
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_without_environment(example: Path) -> None:
    assert load(example, env={}).routes


def test_the_edge_example_reads_its_environment() -> None:
    edge = next(path for path in EXAMPLES if path.name == "edge.yaml")

    assert ("::", 8088) == (
        load(edge, env={"HEADGATE_LISTEN": "[::]:8088"}).listeners[0].host,
        load(edge, env={"HEADGATE_LISTEN": "[::]:8088"}).listeners[0].port,
    )


def test_a_missing_file_is_an_operators_error_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as raised:
        load(tmp_path / "none.yaml", env={})

    assert f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory" == str(raised.value)


def test_the_error_tells_every_mistake_a_line_each(tmp_path: Path) -> None:
    file = write(tmp_path / "f.yaml", GOOD + "workers: 0\ndrain_timeout: 1\n")

    with pytest.raises(ConfigInvalid) as raised:
        load(file, env={})

    assert [f"{file}:4:10: workers", f"{file}:5:16: drain_timeout"] == [
        ": ".join(line.split(": ")[:2]) for line in str(raised.value).splitlines()
    ]


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.yaml", GOOD), write(tmp_path / "2.yaml", GOOD)

    assert load(one, env={}) == load(two, env={})


def test_a_comment_changes_the_digest_and_nothing_else(tmp_path: Path) -> None:
    one, two = (load(write(tmp_path / "f.yaml", text), env={}) for text in (GOOD, GOOD + "# later\n"))

    assert one.digest != two.digest
    assert (one.services, one.routes) == (two.services, two.routes)


@pytest.mark.parametrize("length", range(0, len(GOOD) - 1, 7))
def test_no_half_of_a_file_is_accepted(tmp_path: Path, length: int) -> None:
    file = write(tmp_path / "f.yaml", GOOD[:length])

    with pytest.raises(ConfigInvalid):
        load(file, env={})


def test_a_thousand_mistakes_are_counted_rather_than_told(tmp_path: Path) -> None:
    routes = "".join(f"  - {{match: {{host: h{n}}}, service: s{n}}}\n" for n in range(1_000))
    file = write(tmp_path / "f.yaml", GOOD.split("routes:")[0] + "routes:\n" + routes)

    with pytest.raises(ConfigInvalid) as raised:
        load(file, env={})

    assert 1_000 - limits.CONFIG_MISTAKES_MAX == raised.value.untold


def test_more_of_a_list_than_its_bound_is_refused(tmp_path: Path) -> None:
    steps = ", ".join(["{weight: 5}"] * (limits.STEPS_PER_ROLLOUT_MAX + 1))
    file = write(tmp_path / "f.yaml", GOOD.replace("target: v1", f"target: v1, rollout: {{steps: [{steps}]}}"))

    with pytest.raises(ConfigInvalid, match=f"at most {limits.STEPS_PER_ROLLOUT_MAX} are allowed"):
        load(file, env={})
