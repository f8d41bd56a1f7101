"""``python -m tests.conformance.peers``: the corpus through headgate and its peers, and docs/conformance.md from it.

Ends with 1 if headgate did anything that a case does not list; what peers do is told and judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from loadtest.contenders import CONTENDERS
from tests.conformance.peers import stage
from tests.conformance.peers.table import document


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--only", default=",".join(stage.PEERS), help="proxies, by comma")
    parser.add_argument("--case", default="", help="only cases with this in their name; nothing is written then")
    parser.add_argument("--write", type=Path, help="where the document goes")
    parser.add_argument("--tell", action="store_true", help="differences of policy too")
    options = parser.parse_args()
    names = []
    for name in options.only.split(","):
        if name not in stage.PEERS:
            parser.error(f"--only: {name!r} is none of {', '.join(stage.PEERS)}")
        if lack := CONTENDERS[name].missing():
            print(f"without {name}: {lack}")
        else:
            names.append(name)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = asyncio.run(stage.play_all(names, Path(folder), options.case))
    for name, verdicts in results.items():
        desyncs, passed = sum(bool(v.desync) for v in verdicts), sum(v.passed for v in verdicts)
        print(f"{name}: {len(verdicts)} cases, {passed} as listed, {desyncs} desyncs")
        for verdict in verdicts:
            if verdict.desync or (verdict.differs and (options.tell or name == stage.OURS)):
                print(f"  {verdict.case} (rule {verdict.rule}): {'DESYNC ' * bool(verdict.desync)}{verdict.desync or verdict.differs}")
    if options.write and not options.case and names == list(stage.PEERS):
        versions = {name: stage.version(CONTENDERS[name]) for name in names}
        counts = (len(stage.corpus("requests")), len(stage.corpus("responses")))
        options.write.write_text(document(results, versions, stage.rules(), *counts), encoding="utf-8")
        print(f"written: {options.write}")
    return any(not verdict.passed for verdict in results.get(stage.OURS, []))


if __name__ == "__main__":
    sys.exit(main())
