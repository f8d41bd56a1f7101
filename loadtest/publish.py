"""What becomes of results: files below results/, a page of tables, a picture, and the figures in README.md. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest import plots, report
from loadtest.compare import Result
from loadtest.faults import RigError
from loadtest.figures import compared
from loadtest.scenarios import SCENARIOS

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE / "README.md"
PICTURE = HERE / "figures.svg"
BEGIN, END = "<!-- figures: written by `python -m loadtest report --readme` -->", "<!-- end of figures -->"

Documents = Sequence[dict[str, Any]]


def stamp(taken: str) -> str:
    """A moment as part of a file's name."""
    return taken.replace(":", "").replace("+0000", "Z")


def keep(document: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write one result; its name says when and what."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{stamp(str(document['taken']))}-{document['scenario']['name']}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def load(paths: Sequence[Path], folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results in those files, or of the latest run in the folder, in the order of the scenarios; RigError if there are none."""
    if not paths:
        kept = [path for path in sorted(folder.glob("*.json")) if "turns" in json.loads(path.read_text())]
        latest = kept[-1].name[: kept[-1].name.index("Z")] if kept else ""
        paths = [path for path in kept if path.name.startswith(latest)]
    if not paths:
        raise RigError(f"there are no results in {folder}: run `python -m loadtest compare`, or name files")
    found = []
    for path in paths:
        try:
            document = json.loads(path.read_text())
            report.read(document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RigError(f"{path}: not a result of `compare`: {error!r}") from error
        found.append(document)
    order = list(SCENARIOS)
    return sorted(found, key=lambda each: order.index(each["scenario"]["name"]) if each["scenario"]["name"] in order else len(order))


def summary(results: Sequence[Result]) -> str:
    """One table of all: headgate's figure and its ratio to each of the others, a row a scenario."""
    names = list(dict.fromkeys(name for result in results for name in result.turns if name != report.SUBJECT and "," not in name))
    rows = [f"| scenario | headgate | {' | '.join(names)} |", f"| --- | ---: |{' ---: |' * len(names)}"]
    for result in results:
        if report.SUBJECT not in result.turns or not any(name in result.turns for name in names):
            continue
        figure = compared(result.scenario.kind)
        shares = [report.ratio(result, report.SUBJECT, name) if name in result.turns else None for name in names]
        cells = [f"{share.middle:.2f}" if share is not None else "-" for share in shares]
        ours = f"{report.cell(figure, result.turns[report.SUBJECT]).partition(' ')[0]} {figure.title}"
        rows.append(f"| {result.scenario.name} | {ours} | {' | '.join(cells)} |")
    return "\n".join(rows)


def page(documents: Documents, heading: str = "##") -> str:
    """Everything as Markdown: on what it was measured, the ratios at a glance, a table a scenario."""
    results = [report.read(document) for document in documents]
    loud = [result.scenario.name for result in results if report.noise(result)]
    warned = [f"**Of a busy machine: {len(loud)} of {len(results)} scenarios were disturbed; see the notes below.**"] if loud else []
    parts = [about(documents), *warned, f"{heading} Ratios: headgate / it", summary(results)]
    for document, result in zip(documents, results, strict=True):
        rounds = f"{document['rounds']} rounds of {document['seconds']} s" if "rounds" in document else ""
        parts += [f"{heading} {result.scenario.name}", f"{result.scenario.title}. {rounds}".strip(), report.table(result, short=True)]
        parts += [warning] if (warning := report.noise(result)) else []
    return "\n\n".join(parts)


def about(documents: Documents) -> str:
    """The machine, once for each run that the documents are of."""
    lines = []
    for taken in dict.fromkeys(document["taken"] for document in documents):
        one = next(each for each in documents if each["taken"] == taken)
        versions = ", ".join(f"{name} {text}" for name, text in one["versions"].items() if text)
        command = f"`{one['command']}`. " if "command" in one else ""
        lines.append(
            f"{command}Taken {taken[:16].replace('T', ' ')} UTC on {one['cores']} cores of {one['processor']}, Linux {one['kernel']}, "
            f"Python {one['python']}, commit {one['commit']}. {versions}."
        )
    return "\n\n".join(lines)


def publish(documents: Documents, folder: Path = RESULTS) -> list[Path]:
    """The page and the picture of a run, beside its results."""
    name = stamp(str(documents[0]["taken"]))
    text = folder / f"{name}.md"
    text.write_text(page(documents) + "\n")
    if lack := plots.missing():
        print(f"no picture: {lack}")
        return [text]
    picture = folder / f"{name}.svg"
    plots.draw([report.read(document) for document in documents], picture)
    return [text, picture]


def into_readme(documents: Documents, readme: Path = README, picture: Path = PICTURE) -> None:
    """Put the page between the marks of README.md, and the picture beside it."""
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RigError(f"{readme}: the marks {BEGIN!r} and {END!r} are not there")
    shown = ""
    if not plots.missing():
        plots.draw([report.read(document) for document in documents], picture)
        shown = f"![a panel a scenario, a bar a contender]({picture.name})\n\n"
    readme.write_text(f"{before}{BEGIN}\n\n{shown}{page(documents, '###')}\n\n{END}{after}")
