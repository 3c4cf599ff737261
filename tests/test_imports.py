"""The import contracts between packages and folders, and what a command must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
HEAVY = {
    *("torch", "open_clip", "transformers", "diffusers", "onnxruntime", "hnswlib", "numkong", "numpy", "PIL"),
    *("textual", "rich", "term_image", "textual_image", "dateparser", "tokenizers", "timm"),
}


def test_the_import_contracts_hold() -> None:
    """The layers of both packages, as pyproject.toml lists them; what breaks one is named in the output."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stdout
    assert "Contracts: 6 kept, 0 broken." in done.stdout


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted({{n.partition('.')[0] for n in sys.modules}}))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["cli", "cli.app", "settings", "profiles", "registry", "demo"])
def test_importing_the_command_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import dar_tui.{module}") & HEAVY == set()


def test_help_and_config_load_nothing_heavy() -> None:
    for arguments in (["--help"], ["search", "--help"], ["config", "show"]):
        assert loaded_by(f"from dar_tui.cli import main; main({arguments!r})") & HEAVY == set()


def test_a_search_loads_neither_torch_nor_the_graph_nor_the_interface(tmp_path: Path) -> None:
    from tests import photos

    photos.folder_of(tmp_path / "photos", 12)
    run = "from tests.cli.colour_words import load_colours, main\n"
    arguments = [["index", str(tmp_path / "photos")], ["search", "red"], ["search", "red", "--after", "2019"]]
    assert loaded_by(f"{run}assert main({arguments[0]!r}, encoder_loader=load_colours) == 0") & {"torch"} == set()
    searched = loaded_by(f"{run}assert main({arguments[1]!r}, encoder_loader=load_colours) == 0")
    assert searched & {"torch", "textual", "rich", "dateparser", "onnxruntime"} == set()
