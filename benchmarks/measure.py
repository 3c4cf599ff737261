"""Timing whole commands: wall seconds and peak memory of a process, over several runs after a warm-up."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A process begins with the peak memory of the one it was forked from, so a small one stands between.
_RUNNER = """
import os, sys, time
started = time.perf_counter()
process = os.spawnvpe(os.P_NOWAIT, sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
os.write(int(sys.argv[1]), b"%f %d" % (time.perf_counter() - started, usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Runs:
    """Seconds of each run and the highest peak memory (resident) of them, in megabytes."""

    seconds: tuple[float, ...]
    megabytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.seconds):.2f}-{max(self.seconds):.2f}), {self.megabytes:.0f} MB"


def run_often(
    command: Sequence[str], times: int = 5, warm_up: int = 1, environment: Mapping[str, str] | None = None
) -> Runs:
    """Runs a command `warm_up + times` times. Raises RuntimeError with its stderr if it fails."""
    seconds, peak = [], 0.0
    for number in range(warm_up + times):
        taken, megabytes = run_once(command, environment)
        if number >= warm_up:
            seconds.append(taken)
            peak = max(peak, megabytes)
    return Runs(tuple(seconds), peak)


def run_once(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of one run, as the operating system accounts for it."""
    with tempfile.TemporaryFile() as complaints, tempfile.TemporaryFile() as figures:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _RUNNER, str(figures.fileno()), *command],
            env={**os.environ, **(environment or {})},
            pass_fds=[figures.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        if done.returncode:
            complaints.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {complaints.read().decode()}")
        figures.seek(0)
        seconds, kilobytes = figures.read().split()
    return float(seconds), float(kilobytes) / 1024
