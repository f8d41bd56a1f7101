from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import discover
from proxy.errors import OperatorError


def put(cwd: Path, name: str) -> Path:
    path = cwd / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    return path


def test_what_is_named_comes_before_all(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "headgate.yaml"):
        put(tmp_path, name)

    assert (tmp_path / "a.yaml", "--config") == discover("a.yaml", env={"HEADGATE_CONFIG": "b.yaml"}, cwd=tmp_path)


def test_the_environment_comes_before_what_lies_there(tmp_path: Path) -> None:
    put(tmp_path, "b.yaml")
    put(tmp_path, "headgate.yaml")

    assert (tmp_path / "b.yaml", "$HEADGATE_CONFIG") == discover(None, env={"HEADGATE_CONFIG": "b.yaml"}, cwd=tmp_path)


def test_the_working_directory_comes_before_its_config_folder(tmp_path: Path) -> None:
    put(tmp_path, "config/headgate.yaml")
    put(tmp_path, "headgate.yaml")

    assert (tmp_path / "headgate.yaml", "found at ./headgate.yaml") == discover(None, env={}, cwd=tmp_path)


def test_the_config_folder_is_looked_at(tmp_path: Path) -> None:
    put(tmp_path, "config/headgate.yaml")

    assert (tmp_path / "config/headgate.yaml", "found at ./config/headgate.yaml") == discover(None, env={}, cwd=tmp_path)


def test_the_systems_place_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = put(tmp_path, "etc/headgate.yaml")
    monkeypatch.setattr("proxy.config.discovery.PLACES", ("headgate.yaml", str(system)))

    assert (system, f"found at {system}") == discover(None, env={}, cwd=tmp_path)


def test_a_directory_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()

    assert tmp_path / "conf.d" == discover("conf.d", env={}, cwd=tmp_path)[0]


@pytest.mark.parametrize(("explicit", "env", "rule"), [("x", {}, "--config"), (None, {"HEADGATE_CONFIG": "x"}, r"\$HEADGATE_CONFIG")])
def test_what_is_named_and_missing_is_never_passed_over(tmp_path: Path, explicit: str | None, env: dict[str, str], rule: str) -> None:
    put(tmp_path, "headgate.yaml")

    with pytest.raises(OperatorError, match=f"x: no such file or directory; it is named by {rule}"):
        discover(explicit, env=env, cwd=tmp_path)


def test_nothing_found_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.config.discovery.PLACES", ("headgate.yaml", "config/headgate.yaml"))

    with pytest.raises(OperatorError, match=r"put one at \./headgate\.yaml, \./config/headgate\.yaml"):
        discover(None, env={}, cwd=tmp_path)


def test_a_path_below_the_working_directory_is_shown_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "headgate.yaml")

    assert Path("headgate.yaml") == discover(None, env={}, cwd=tmp_path)[0]
