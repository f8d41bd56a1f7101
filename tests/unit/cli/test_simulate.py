"""The verb ``simulate``: options, exit codes, both outputs. What it plays has its own tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.main import main
from proxy.cli.simulate import POLICIES, broken_bounds, notes
from proxy.model.rollout import RolloutPlan
from proxy.model.service import Service, Sticky
from proxy.simulation import Report, Traffic, simulate
from proxy.simulation.comparison import COMPARED

FILE = """\
listeners: [{name: web, address: 127.0.0.1:0}]
services:
  shop:
    versions: {v1: {endpoints: ["http://127.0.0.1:9001"]}, v2: {endpoints: ["http://127.0.0.1:9002"]}}
    target: v1
    rollout: {steps: [{weight: 10, for: 1m}]}
  fixed:
    versions: {v1: {endpoints: ["http://127.0.0.1:9001"]}}
    traffic: {v1: 1}
routes: [{match: {path_prefix: /}, service: shop}, {match: {path_prefix: /f}, service: fixed}]
"""
QUICK = ("--rps", "100", "--runs", "20")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "headgate.yaml"
    path.write_text(FILE)
    return str(path)


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of ``simulate``."""
    with pytest.raises(SystemExit) as ended:
        main.main(["simulate", *args])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_the_report_is_told_in_words(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, _ = call(capsys, file, "--service", "shop", *QUICK, "--candidate-errors", "100%")

    assert (0, True) == (code, out.startswith("shop: 20 rollouts at 100 requests/s; stable fails 0.1 % of its requests"))


def test_the_report_has_a_json_form(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, _ = call(capsys, file, *QUICK, "--candidate-errors", "100%", "--output", "json")

    value: dict[str, Any] = json.loads(out)
    assert (0, "shop", 20) == (code, value["given"]["service"], value["candidate"]["runs"])
    assert (1.0, 1.0, 0.0, True, []) == (
        value["candidate"]["ends"]["rolled_back"],
        value["candidate"]["caught"],
        value["false_alarms"],
        value["holds"],
        value["broken"],
    )


def test_people_are_played_where_the_service_is_sticky(capsys: pytest.CaptureFixture[str], file: str) -> None:
    args = (file, *QUICK, "--candidate-errors", "50%", "--users", "5000", "--output", "json")
    code, out, _ = call(capsys, *args, "--set", "services.shop.sticky.by=client_ip")

    value: dict[str, Any] = json.loads(out)
    assert (0, True) == (code, value["candidate"]["users_hurt"]["mean"] < value["candidate"]["failures"]["mean"])
    code, _, err = call(capsys, *args)
    assert (2, True) == (code, "--users is for a sticky service; shop draws every request alone" in err)


def test_the_same_seed_prints_the_same(capsys: pytest.CaptureFixture[str], file: str) -> None:
    args = (file, *QUICK, "--candidate-errors", "2%", "--onset", "20s", "--output", "json")

    assert call(capsys, *args) == call(capsys, *args)
    assert call(capsys, *args) != call(capsys, *args, "--seed", "2")


def test_bounds_that_hold_end_with_0(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, _, _ = call(capsys, file, *QUICK, "--candidate-errors", "100%", "--min-caught", "100%", "--max-false-alarms", "5%")

    assert 0 == code


def test_a_bound_that_does_not_hold_ends_with_1_and_is_named(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, _ = call(capsys, file, *QUICK, "--candidate-errors", "0.1%", "--min-caught", "90%")

    assert (1, "does not hold: the guard caught 0 % of the candidates, 90 % wanted") == (code, out.splitlines()[-1].strip())


def test_what_is_not_played_is_noted() -> None:
    service = Service("shop", (), target="v1", sticky=Sticky("client_ip"), fallback=True)

    assert [
        "sticky",
        "fallback",
        "this plan's guard does not count no_endpoint; it counts status_5xx, connect, timeout, reset, protocol",
    ] == [note.partition(": ")[0] for note in notes(service, "no_endpoint")]
    assert [] == notes(Service("shop", (), target="v1"), "status_5xx")
    assert ["fallback"] == [note.partition(": ")[0] for note in notes(service, "reset", people=True)]


def test_false_alarms_have_a_bound_too() -> None:
    found: Report = simulate(RolloutPlan(), Traffic(100.0, 0.01, 0.01), runs=2, seed=1, gates="pass", cause="reset", horizon_s=60.0)

    assert [] == broken_bounds(found, 0.0, None)
    assert ["false alarms in 0 % of rollouts, -1 % allowed"] == broken_bounds(found, -0.01, None)


def test_a_setting_tries_another_plan(capsys: pytest.CaptureFixture[str], file: str) -> None:
    args = (file, *QUICK, "--candidate-errors", "0", "--output", "json", "--set", "services.shop.rollout.steps[0].for=7m")

    assert 420.0 == json.loads(call(capsys, *args)[1])["candidate"]["promotion_s"]["median"]


def test_a_configuration_with_mistakes_is_reported_as_validate_does(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FILE.replace("weight: 10", "weight: 120"))
    code, out, _ = call(capsys, str(path), *QUICK, "--candidate-errors", "5%")
    with pytest.raises(SystemExit):
        main.main(["validate", str(path)])

    assert (1, capsys.readouterr().out) == (code, out)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rps", "0"), "no rate"),
        (("--quiet-rps", "200"), "--quiet-rps 200 is over --rps 100"),
        (("--onset", "2h", "--until", "1h"), "--until must be later than --onset"),
        (("--runs", "0"), "not in the range"),
        (("--candidate-latency", "1s", "--stable-latency", "0"), "--candidate-latency means nothing while"),
        (("--candidate-latency", "2m"), "no latency"),
        (("--compare",), "--compare plays incidents of its own; leave out --rps"),
        (("--policy", "spinnaker"), "'spinnaker' is not one of"),
        (("--outage", "10m+2m"), "no outage"),
        (("--sources-down", "10m"), "no stretch of time"),
        (("--config", "other.yaml"), "give the file once"),
    ],
)
def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str], file: str, args: tuple[str, ...], said: str) -> None:
    code, _, err = call(capsys, file, *QUICK, "--candidate-errors", "5%", *args)

    assert (2, True) == (code, said in err), err


@pytest.mark.parametrize("missing", ["--rps", "--candidate-errors"])
def test_traffic_has_to_be_described(capsys: pytest.CaptureFixture[str], file: str, missing: str) -> None:
    said = {"--rps": "100", "--candidate-errors": "5%"}
    args = [word for option, value in said.items() if option != missing for word in (option, value)]
    code, _, err = call(capsys, file, *args)

    assert (2, True) == (code, f"say {missing}, or --compare" in err), err


def test_another_policy_plays_the_plan(capsys: pytest.CaptureFixture[str], file: str) -> None:
    args = (file, *QUICK, "--candidate-errors", "100%", "--output", "json", "--set", "services.shop.rollout.steps[0].for=30m")
    found = {name: json.loads(call(capsys, *args, "--policy", name)[1])["candidate"]["decision_s"]["median"] for name in POLICIES}

    assert "note: argo: the plan's weights and times; success-rate every 300 s" in call(
        capsys, file, *QUICK, "--candidate-errors", "1%", "--policy", "argo"
    )[1].replace("\n", " ")
    assert found["headgate"] < 5 < found["argo-tuned"] < found["flagger"]


def test_policies_are_compared_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, text, _ = call(capsys, file, "--compare", "--runs", "1")
    _, out, _ = call(capsys, file, "--compare", "--runs", "1", "--output", "json")
    value = json.loads(out)

    assert (0, True) == (code, text.startswith("shop: 1 rollouts of its plan for each figure (seed 1)"))
    assert list(POLICIES) == [outcome["policy"] for outcome in value["incidents"][0]["outcomes"]]
    assert COMPARED == POLICIES


def test_an_unknown_service_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, _, err = call(capsys, file, *QUICK, "--candidate-errors", "5%", "--service", "shopp")

    assert (1, "headgate: no service 'shopp'; there is shop, fixed\n") == (code, err)


def test_a_fixed_split_has_nothing_to_play(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, _, err = call(capsys, file, *QUICK, "--candidate-errors", "5%", "--service", "fixed")

    assert (1, True) == (code, "fixed traffic split and no rollouts" in err)


def test_one_of_several_services_has_to_be_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(FILE.replace("traffic: {v1: 1}", "target: v1"))
    code, _, err = call(capsys, str(path), *QUICK, "--candidate-errors", "5%")

    assert (2, True) == (code, "--service; those with a target: shop, fixed" in err), err
