"""All services that are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.model.pair import Pair, Seen
from proxy.shadow.comparer import Comparer
from proxy.shadow.messages import Rules


def seen(value: Any) -> Seen:
    body = json.dumps(value).encode()
    return Seen(200, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", body, len(body), 0.01)


def pair(original: Any, copy: Any, service: str = "shop", version: str = "v2") -> Pair:
    return Pair(service, version, "r", "GET", "/", 1.0, seen(original), seen(copy))


def comparing(path: Path | None = None, **services: Rules) -> Comparer:
    comparer = Comparer(path)
    comparer.use(services or {"shop": Rules("v2")}, 1.0)
    return comparer


def compared(comparer: Comparer, service: str = "shop") -> int | None:
    report = comparer.report(service)
    return None if report is None else int(report["compared"])


def test_a_pair_matches_or_not() -> None:
    comparer = comparing()

    assert [comparer.add(pair(1, 1)), comparer.add(pair(1, 2))] == [True, False]


def test_what_is_allowed_matches() -> None:
    comparer = comparing(shop=Rules("v2", allow=("$.a",)))

    assert [comparer.add(pair({"a": 1}, {"a": 2})), comparer.add(pair({"a": 1, "b": 1}, {"a": 2, "b": 2}))] == [True, False]


def test_what_is_known_as_noise_matches() -> None:
    comparer = comparing(shop=Rules("v2", noise="v1b"))
    noisy = [Pair("shop", "v2", "r", "GET", "/", 1.0, seen({"a": 0}), seen({"a": i}), seen({"a": -i})) for i in range(1, 6)]

    assert [comparer.add(one) for one in noisy] == [False, False, True, True, True]


@pytest.mark.parametrize("stray", [pair(1, 2, service="other"), pair(1, 2, version="v3")])
def test_a_pair_of_what_is_not_compared_is_counted_nowhere(stray: Pair) -> None:
    comparer = comparing()

    assert (comparer.add(stray), compared(comparer)) == (True, 0)


def test_what_is_not_compared_has_no_report() -> None:
    assert comparing().report("other") is None


def test_the_same_rules_said_again_change_nothing() -> None:
    comparer = comparing()
    comparer.add(pair(1, 1))
    comparer.use({"shop": Rules("v2"), "other": Rules("v2")}, 2.0)

    assert compared(comparer) == 1


def test_what_is_allowed_may_change_while_counts_go_on() -> None:
    comparer = comparing()
    for _ in range(9):
        comparer.add(pair({"a": 1}, {"a": 2}))
    comparer.use({"shop": Rules("v2", allow=("$.a",))}, 2.0)

    assert [(compared(comparer), p["finding"]) for p in (comparer.report("shop") or {})["routes"][0]["paths"]] == [(9, "allowed")]


@pytest.mark.parametrize("rules", [Rules("v3"), Rules("v2", "v1b"), Rules("v2", ignore=("$.a",)), Rules("v2", rollout=7)])
def test_another_comparison_begins_anew(rules: Rules) -> None:
    comparer = comparing()
    comparer.add(pair(1, 1))
    comparer.use({"shop": rules}, 2.0)

    assert compared(comparer) == 0


def test_a_summary_is_told_once_a_change() -> None:
    comparer = comparing()
    comparer.summaries()
    comparer.add(pair({"a": 1}, {"a": 2}))

    assert [[(s.service, s.compared, s.mismatch_rate) for s in comparer.summaries()] for _ in range(2)] == [[("shop", 1, 1.0)], []]


def test_a_summary_names_what_differs() -> None:
    comparer = comparing()
    for _ in range(3):
        comparer.add(pair({"a": 1}, {"a": 2}))

    assert [(s.word, s.different) for s in comparer.summaries()] == [("different", ("r $.a (value)",))]


def test_counts_outlive_the_process(tmp_path: Path) -> None:
    first = comparing(tmp_path / "f")
    first.add(pair({"a": 1}, {"a": 2}))
    first.keep()

    second = comparing(tmp_path / "f")

    assert second.report("shop") == first.report("shop")


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    comparing(tmp_path / "f").keep()

    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_read_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("{")

    assert compared(comparing(tmp_path / "f")) == 0


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    comparer = comparing(tmp_path / "none" / "f")
    comparer.keep()

    assert comparer.unkept == f"{tmp_path / 'none' / 'f'}: No such file or directory"


def test_samples_are_left_out_of_a_file_that_would_be_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparer = comparing(tmp_path / "f")
    comparer.add(pair({"a": 1}, {"a": 2}))
    monkeypatch.setattr(limits, "COMPARISONS_FILE_BYTES_MAX", 10)
    comparer.keep()

    assert [p["samples"] for p in (comparing(tmp_path / "f").report("shop") or {})["routes"][0]["paths"]] == [[]]


def test_samples_of_every_kind_can_be_kept(tmp_path: Path) -> None:
    comparer = comparing(tmp_path / "f")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    for original, copy in (
        (Seen(200, head, b"a", 1), Seen(200, head, b"b", 1)),
        (Seen(200, head), Seen(500, head)),
        (Seen(200, head), Seen(0, failure="reset")),
        (Seen(200, head.replace(b"plain", b"html")), Seen(200, head)),
    ):
        comparer.add(Pair("shop", "v2", "r", "GET", "/", 1.0, original, copy))
    comparer.keep()
    kept = [(p["path"], p["samples"][0]["copy"]) for p in (comparing(tmp_path / "f").report("shop") or {})["routes"][0]["paths"]]

    assert sorted(kept) == [("body", '"b"'), ("failure", "reset"), ("header:content-type", "text/plain"), ("status", "500")]


def test_answers_that_say_what_cannot_be_encoded_are_kept_and_told(tmp_path: Path) -> None:
    comparer = comparing(tmp_path / "c.json", shop=Rules("v2"))
    for n in range(4):
        comparer.add(pair({"\ud800 k": "\udc00", "a": n}, {"\ud800 k": "x"}))
    comparer.keep()

    assert comparer.unkept == ""
    assert compared(comparing(tmp_path / "c.json", shop=Rules("v2"))) == 4
    assert msgspec.json.encode([comparer.report("shop"), comparer.summaries()])


def test_what_is_allowed_stays_so_when_there_are_too_many_paths() -> None:
    comparer = comparing(shop=Rules("v2", allow=("$.meant",)))
    for n in range(limits.COMPARED_PATHS_MAX):
        comparer.add(pair({"meant": {f"m{n}": 1}}, {"meant": {}}))

    assert all(comparer.add(pair({"meant": {"new": 1}}, {"meant": {}})) for _ in range(5))
    assert comparer.summaries()[0].word == "same"
