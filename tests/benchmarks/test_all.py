"""`make bench`: every benchmark runs, one that fails does not stop the others, and all targets stand at the end."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from benchmarks import __main__ as every
from benchmarks.report import once, read, show


@pytest.mark.parametrize("amounts", [every.QUICK, every.USUAL, every.FULL])
def test_every_benchmark_named_is_there(amounts: every.Amounts, tmp_path: Path) -> None:
    named = every.commands(amounts, tmp_path, tmp_path)
    assert len(named) >= 8 and all(find_spec(f"benchmarks.{name}") for name in named)


def test_one_that_fails_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = ("--photos=200", "--dialogues=10", "--lengths=2", "--dim=16")
    monkeypatch.setattr(every, "commands", lambda *_: {"ranking": ("--no-such",), "commands": (), "large": ()})
    with pytest.raises(typer.Exit):
        every.main(tmp_path, only="ranking", out=tmp_path / "out")
    assert "Failed: ranking." in capfd.readouterr().err
    monkeypatch.setattr(every, "commands", lambda *_: {"missing": (), "ranking": small})
    with pytest.raises(typer.Exit):
        every.main(tmp_path, out=tmp_path / "out")
    assert "Failed: missing." in capfd.readouterr().err
    # Figures come back as they were shown, targets too.
    shown = [once("a", 3, "s", at_most=2.0), once("b", 1, "MB")]
    show("Table", shown, tmp_path / "table.json")
    assert read(tmp_path / "table.json") == shown
    names = [figure.name for figure in read(tmp_path / "out" / "ranking.json")]
    assert names == ["ranking and figures", "ranking and figures, cpu", "memory, vectors included"]
