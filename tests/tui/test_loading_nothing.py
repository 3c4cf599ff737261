"""The first paint waits for no model: what importing the app, and showing it, loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HEAVY = {
    *(
        "torch",
        "onnxruntime",
        "hnswlib",
        "numkong",
        "numpy",
        "transformers",
        "diffusers",
        "open_clip",
        "timm",
        "tokenizers",
    ),
    *("PIL", "term_image", "textual_image", "dateparser", "filelock", "httpx"),
}


@pytest.mark.parametrize(
    "module", ["dar_tui.tui.app", "dar_tui.tui.session_engine", "dar_tui.cli.screen", "dar_tui.tui.terminal"]
)
def test_importing_the_app_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert set(done.stdout.split()) & HEAVY == set()
