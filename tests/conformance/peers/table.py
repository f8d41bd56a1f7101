"""The verdicts as a document. Pure; knows no proxy but by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.conformance.peers.verdicts import Verdict

BEGINNING = """\
# Conformance of framing, beside other proxies

Written by `make conformance`; not by hand. A corpus of {requests} requests and {answers} answers, good, odd and hostile (in
`tests/conformance/framing/cases`), is played over sockets through each proxy, one started process each, to an origin that reads
strictly, answers what it reads and remembers it. After each case somebody else sends a request on another connection, and must get
the answer to it. The judge is a slow and obvious reader (`tests/kit/strict_reader.py`) that shares no code with headgate.

**A desync** is what request smuggling and response-queue poisoning are made of: the origin was sent bytes that no strict reader can
read, or another request than a strict reader of the client's bytes would see (one too many, another body, a cut one as if it were
whole), or was left waiting; the client was sent an answer it cannot read, a second one, or a cut one as if it were whole; somebody
got another's answer. Not each can be exploited: a proxy that reads on after a doubtful frame agrees with the origin behind it, and
does harm only where another proxy before it reads the same bytes otherwise.

**Everything else is a difference of policy**, and none of it is a fault: where the standard leaves a choice, the list below takes the
strict side, and a proxy that reads leniently and forwards what it read in a frame of its own is safe too. The list is headgate's own,
and so is the corpus: that headgate does as listed says only that it keeps its own rules. Look at the desyncs first.
"""

AGAIN = """\
## Again

`make conformance` starts what is installed of nginx, HAProxy and Envoy (the first two from PATH; Envoy comes with `make bench-setup`)
and writes this file when all are there. It ends with an error if headgate does anything but what a case lists, to the status code; of
the others the class of a code is enough, and "Connection: close" counts as closing. `make conformance CONFORMANCE="--only headgate
--case smuggle"` plays some cases, `--tell` names differences of policy too. Where a peer neither answers nor closes, its silence is
waited for only so long, so its last two figures may differ by one or two from run to run.

The configurations are those of the load test (`loadtest/contenders`): a plain reverse proxy each, with its defaults for parsing.
Other settings would give other figures: HAProxy and Envoy have stricter and laxer ones, nginx can forward bodies unbuffered.
"""


def document(
    results: Mapping[str, Sequence[Verdict]], versions: Mapping[str, str], rules: Mapping[int, str], requests: int, answers: int
) -> str:
    """The whole text. ``results`` and ``versions`` by proxy, in the order of columns."""
    parts = [
        BEGINNING.format(requests=requests, answers=answers),
        "## Desyncs\n\n" + _totals(results, versions),
        *([named] if (named := _desyncs(results)) else []),
        "## By rule\n\nCases that went as listed.\n\n" + _by_rule(results, rules),
        "Rules without a case here are about time, memory, order or configuration, and are held by tests that name them.\n",
        AGAIN,
    ]
    return "\n".join(parts)


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _totals(results: Mapping[str, Sequence[Verdict]], versions: Mapping[str, str]) -> str:
    text = _row(["proxy", "version", "cases", "desyncs", "other policy", "as listed"]) + _row(["---", "---", *["---:"] * 4])
    for name, verdicts in results.items():
        desyncs = sum(bool(verdict.desync) for verdict in verdicts)
        passed = sum(verdict.passed for verdict in verdicts)
        text += _row([name, versions[name], len(verdicts), desyncs, len(verdicts) - passed - desyncs, passed])
    return text


def _desyncs(results: Mapping[str, Sequence[Verdict]]) -> str:
    found = [(name, verdict) for name, verdicts in results.items() for verdict in verdicts if verdict.desync]
    return "".join(f"- {name}, `{verdict.case}`: {_plain(verdict.desync)}\n" for name, verdict in found)


def _plain(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")[:150]


def _by_rule(results: Mapping[str, Sequence[Verdict]], rules: Mapping[int, str]) -> str:
    text = _row(["", "rule", "cases", *results]) + _row(["---:", "---", *["---:"] * (1 + len(results))])
    for number, meaning in rules.items():
        columns = [[verdict.passed for verdict in verdicts if verdict.rule == number] for verdicts in results.values()]
        if columns and columns[0]:
            text += _row([number, meaning, len(columns[0]), *(sum(column) for column in columns)])
    return text
