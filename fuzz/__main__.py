"""``python -m fuzz all SECONDS [SEED]`` runs every target in its share of the time and stops at the first crash; one seed tries the
same inputs again, none tries new ones. ``python -m fuzz TARGET ...`` runs one with libFuzzer's own arguments, or replays the files
named. Without atheris it says so and does nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).parent
NAMES = ["conversation", "requests", "responses", "chunks", "paths", "proxy_headers"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x50",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
]


def seed(name: str, folder: Path) -> None:
    """Fill ``folder`` from the framing corpus."""
    if name == "proxy_headers":
        for place, header in enumerate(PROXY_HEADERS):
            (folder / str(place)).write_bytes(header)
        return
    side = "responses" if name == "responses" else "requests"
    cases = yaml.safe_load((HERE.parent / "tests/conformance/framing/cases" / f"{side}.yaml").read_text(encoding="utf-8"))
    for place, case in enumerate(cases):
        data = str(case.get("say", "")).encode("latin-1", "replace")[:4096]
        if name == "conversation":
            data = b"".join(bytes((0, len(piece))) + piece for piece in (data[:255], data[255:510]) if piece)
            data += bytes((1, len(ANSWER))) + ANSWER
        elif name in ("chunks", "paths"):
            data = data.partition(b"\r\n\r\n")[2] if name == "chunks" else data.partition(b" ")[2].partition(b" ")[0][1:]
        (folder / str(place)).write_bytes(data)


def run_all(seconds: int, chance: str) -> int:
    """Each target in its share; the exit status of the first that crashes."""
    crashes = HERE / "crashes"
    crashes.mkdir(exist_ok=True)
    for name in NAMES:
        share = max(1, seconds // 2 if name == "conversation" else seconds // 10)
        print(f"fuzz: {name} for {share} s", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            seed(name, Path(folder))
            limits = [
                f"-max_total_time={share}",
                "-max_len=4096",
                "-timeout=20",
                "-verbosity=0",
                "-print_final_stats=1",
                f"-seed={chance}",
            ]
            command = [sys.executable, "-m", "fuzz", name, *limits, f"-artifact_prefix={crashes}/{name}-", folder]
            status = subprocess.run(command, cwd=HERE.parent, check=False).returncode
        if status:
            print(f"fuzz: {name} failed; replay with: {sys.executable} -m fuzz {name} fuzz/crashes/{name}-...", file=sys.stderr)
            return status
    return 0


def main() -> int:
    try:
        import atheris
    except ImportError:
        print("fuzz: atheris is not installed here; nothing was fuzzed", file=sys.stderr)
        return 0
    if sys.argv[1] == "all":
        return run_all(int(sys.argv[2]), (sys.argv[3:] or ["0"])[0])
    with atheris.instrument_imports(include=["proxy"]):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
    return 0


sys.exit(main())
