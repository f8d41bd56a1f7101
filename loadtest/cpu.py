"""What a process and all its descendants have used: CPU nanoseconds and memory, read from /proc. Linux only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def family(pid: int, proc: Path = PROC) -> list[int]:
    """``pid`` and every living descendant."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it ended while we looked
                continue
            children.setdefault(int(after_name(stat)[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, ()))
    return found


def after_name(stat: str) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the name before them may hold spaces and brackets."""
    return stat.rpartition(")")[2].split()


def cpu_ns(pid: int, proc: Path = PROC) -> int:
    """User plus system time of the family since each began, all threads, in nanoseconds."""
    return sum(_one_cpu_ns(member, proc) for member in family(pid, proc))


def thread_ns(pid: int, proc: Path = PROC) -> dict[int, int]:
    """The same of each living thread of the family, by its id."""
    found = {}
    for member in family(pid, proc):
        try:
            for task in (proc / str(member) / "task").iterdir():
                found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except OSError:  # it ended, or the kernel keeps no such account
            continue
    return found


def descriptors(pid: int, proc: Path = PROC) -> int:
    """What the family holds open."""
    total = 0
    for member in family(pid, proc):
        try:
            total += sum(1 for _ in (proc / str(member) / "fd").iterdir())
        except OSError:
            continue
    return total


def _one_cpu_ns(pid: int, proc: Path) -> int:
    try:
        # schedstat is exact to the nanosecond; it counts one thread, so the living threads are added up.
        return sum(int((task / "schedstat").read_text().split()[0]) for task in (proc / str(pid) / "task").iterdir())
    except OSError:
        pass
    try:
        user, system = after_name((proc / str(pid) / "stat").read_text())[11:13]  # to a tick, usually 10 ms
    except OSError:  # it ended
        return 0
    return (int(user) + int(system)) * TICK_NS


def memory_bytes(pid: int, proc: Path = PROC) -> int:
    """Proportional set size of the family: what it would free by ending."""
    total = 0
    for member in family(pid, proc):
        try:
            rollup = (proc / str(member) / "smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


@dataclass(frozen=True)
class CoreTime:
    """Ticks of one core since boot: busy in any way, and stolen by the hypervisor."""

    busy_ns: int
    stolen_ns: int

    @classmethod
    def read(cls, core: int | None, proc: Path = PROC) -> CoreTime:
        """Of one core, or of the whole machine where nothing is pinned."""
        label = "cpu" if core is None else f"cpu{core}"
        for line in (proc / "stat").read_text().splitlines():
            name, *fields = line.split()
            if name == label:
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(f) * TICK_NS for f in fields[:8])
                return cls(user + nice + system + irq + softirq, steal)
        return cls(0, 0)
