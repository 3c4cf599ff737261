"""What imports what: the arrows between the packages, and what the command may not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
HEAVY = {
    *("torch", "open_clip", "transformers", "diffusers", "onnxruntime", "hnswlib", "numkong", "numpy", "PIL"),
    *("textual", "rich", "term_image", "textual_image", "dateparser", "tokenizers", "timm"),
}
TERMINAL = {"textual", "rich", "typer", "term_image", "textual_image"}
# What sits on top: nothing below may know it.
OUTER = ("dar_tui.cli", "dar_tui.tui", "dar_tui.demo", "dar_tui.evaluation")
# The parts a session is made of know one another's values, but neither the session nor anything outer.
PARTS = ("dialogue", "need", "turn", "when", "reformulate", "language", "questions", "imagine", "fusion", "transcript")


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it, those for type checking included; relative ones in full."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def offences(paths: list[Path], forbidden: tuple[str, ...]) -> list[str]:
    """Imports of what is forbidden. A `__main__` is a command of its own, such as training: it may use Typer."""
    return [
        f"{name_of(path)} imports {name}"
        for path in paths
        for name in imported(path)
        if any(within(name, package) for package in forbidden)
        and not (path.name == "__main__.py" and within(name, "typer"))
    ]


def test_the_finder_of_imports_finds_them() -> None:
    sample = REPOSITORY / "dar_tui" / "cli" / "search.py"
    found = set(imported(sample))
    assert {"dar_tui.cli.state", "indexer.errors", "indexer.errors.UsageError", "typer"} <= found


def test_indexer_knows_neither_dar_tui_nor_terminals() -> None:
    paths = modules("indexer")
    assert len(paths) > 20
    assert offences(paths, ("dar_tui", *TERMINAL)) == []


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_session_know_nothing_outer(part: str) -> None:
    paths = [path for path in modules("dar_tui") if within(name_of(path), f"dar_tui.{part}")]
    if not paths:
        pytest.skip(f"dar_tui.{part} is not built yet")
    assert offences(paths, (*OUTER, "dar_tui.session.session", *TERMINAL)) == []


def test_the_session_knows_no_terminal() -> None:
    own = ("dar_tui.session.session", "dar_tui.session.loop", "dar_tui.session.parts")
    paths = [path for path in modules("dar_tui") if name_of(path) in own]
    assert len(paths) == len(own)
    assert offences(paths, (*OUTER, *TERMINAL)) == []


def test_only_the_command_and_the_demo_know_the_command() -> None:
    paths = [path for path in modules("dar_tui") if not any(within(name_of(path), each) for each in OUTER)]
    assert offences(paths, ("dar_tui.cli", "dar_tui.tui", "dar_tui.demo")) == []


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
