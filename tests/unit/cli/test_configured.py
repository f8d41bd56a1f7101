"""Verbs over the configuration file: arguments, exit codes, output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from proxy.cli.configured import settings
from proxy.cli.main import main

GOOD = """\
listeners: [{name: web, address: 127.0.0.1:0}]
services:
  shop:
    versions: {v1: {endpoints: ["http://127.0.0.1:9001"]}}
    target: v1
routes: [{match: {path_prefix: /}, service: shop}]
"""
BAD = GOOD.replace("target: v1", "target: v9").replace("service: shop", "service: shopp")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        main.main(list(args))
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def test_a_setting_is_divided_at_its_first_equals_sign() -> None:
    assert (("admin.address", "a=b"), ("workers", "2")) == settings(None, None, ["admin.address=a=b", "workers=2"])


@pytest.mark.parametrize("value", ["workers", "=2", " =2"])
def test_a_setting_without_key_or_value_is_wrong_usage(value: str) -> None:
    with pytest.raises(click.BadParameter, match="not KEY=VALUE"):
        settings(None, None, [value])


def test_a_valid_file_is_summed_up(capsys: pytest.CaptureFixture[str], good: Path) -> None:
    code, out, _ = call(capsys, "validate", str(good))

    assert (0, True) == (code, out.startswith("valid: 1 listener, 1 service, 1 route (digest "))


def test_a_file_for_tls_that_is_not_there_is_told_where_it_is_named(capsys: pytest.CaptureFixture[str], good: Path) -> None:
    """As a reload would; what only reads a configuration does not look."""
    good.write_text(GOOD.replace("127.0.0.1:0}", "127.0.0.1:0, tls: {certificates: [{cert: no.pem, key: no.key}]}}"))
    code, out, _ = call(capsys, "validate", str(good))

    assert 1 == code
    assert [f"{good}:" in line and "No such file" in line for line in out.splitlines()[:-1]] == [True, True]


def test_a_valid_file_has_a_json_form(capsys: pytest.CaptureFixture[str], good: Path) -> None:
    code, out, _ = call(capsys, "validate", str(good), "--output", "json")

    value: dict[str, Any] = json.loads(out)
    assert (0, True, 1, 64) == (code, value["valid"], value["services"], len(value["digest"]))


def test_every_mistake_is_printed_with_its_place(capsys: pytest.CaptureFixture[str], bad: Path) -> None:
    code, out, _ = call(capsys, "validate", str(bad))

    lines = out.splitlines()
    places = [line.startswith(f"{bad}:") for line in lines[:-1]]
    assert (1, [True, True], "2 mistakes") == (code, places, lines[-1])


def test_mistakes_have_a_json_form(capsys: pytest.CaptureFixture[str], bad: Path) -> None:
    code, out, _ = call(capsys, "validate", str(bad), "--output", "json")

    value = json.loads(out)
    assert (1, False, 2) == (code, value["valid"], len(value["mistakes"]))
    assert {"file", "line", "column", "key", "text"} == set(value["mistakes"][0])


def test_a_setting_is_part_of_what_is_checked(capsys: pytest.CaptureFixture[str], good: Path) -> None:
    code, _, _ = call(capsys, "validate", str(good), "--set", "workers=0")

    assert 1 == code


def test_a_missing_file_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = call(capsys, "validate", str(tmp_path / "gone.yaml"))

    assert (1, "", 1) == (code, out, len(err.splitlines()))


def test_the_file_is_given_once(capsys: pytest.CaptureFixture[str], good: Path) -> None:
    code, _, _ = call(capsys, "validate", str(good), "--config", str(good))

    assert 2 == code


def test_the_environment_names_the_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, good: Path) -> None:
    monkeypatch.setenv("HEADGATE_CONFIG", str(good))

    assert 0 == call(capsys, "validate")[0]


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "schema")

    assert (0, True) == (code, "services" in json.loads(out)["properties"])
