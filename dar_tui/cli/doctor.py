"""`dar doctor`: what is here, what is not, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.state import state_of

_MARKS = {"ok": "ok", "note": "--", "broken": "!!"}


def doctor(context: typer.Context, json: JsonOption = False) -> None:
    """Look for what is broken or missing. Exit code 1 if something is broken."""
    from dar_tui.cli.checks import Status, findings

    state = state_of(context)
    found = []
    for finding in findings(state.settings):
        found.append(finding)
        if not json:
            state.output.result(f"{_MARKS[finding.status]}  {finding.name}: {finding.text}")
            if finding.mend:
                state.output.result(
                    f"      mend: {finding.mend}" if finding.status == Status.BROKEN else f"      try: {finding.mend}"
                )
            state.output.flush()
    broken = any(finding.status is Status.BROKEN for finding in found)
    if json:
        state.output.json({"broken": broken, "findings": [asdict(finding) for finding in found]})
    if broken:
        raise typer.Exit(1)
