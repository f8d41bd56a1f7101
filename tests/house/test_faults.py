"""The table of faults that the documents show is the one that the fault matrix asserts."""

from __future__ import annotations

import pytest

from tests.house.tree import ROOT
from tests.kit.faults import CLIENT, CUT, NOTHING, ORIGIN, WHOLE, Fault, row, table


def test_the_documented_faults_are_those_that_are_tested() -> None:
    """If this fails, replace the table in docs/faults.md by what ``python -m tests.kit.faults`` prints."""
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")

    assert table() == "".join(f"{line}\n" for line in text.splitlines() if line.startswith("|"))


def test_every_fault_has_a_name_of_its_own() -> None:
    for faults in (ORIGIN, CLIENT):
        assert len(faults) == len({fault.name for fault in faults})


@pytest.mark.parametrize("fault", [*ORIGIN, *CLIENT], ids=lambda fault: fault.name)
def test_a_row_is_of_one_piece(fault: Fault) -> None:
    """What the client got is what is counted, unless the client had left; and who left is no failure."""
    if fault.leaves in ("close", "reset"):
        assert (NOTHING, "", True) == (fault.gets, fault.cause, fault.code in (0, 499))
    else:
        assert str(fault.code) == fault.gets.split(",")[0]
        assert (not fault.cause) == (fault.gets == WHOLE or (fault.code < 500 and fault.gets != CUT)), (
            "a failure is never handed on as whole"
        )


def test_a_charged_fault_names_its_cause_in_the_table() -> None:
    fault = Fault("coughs", CUT, 200, "reset")

    assert ("The origin coughs", CUT, '`code="200"`, `cause="reset"`', "the version") == row("The origin", fault)
