"""Loading that stalls no other thread: what holds the interpreter's lock is kept from doing so. Nothing is timed."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from dar_tui.tui.models import without_stalls
from tests.tui.pty_app import REPOSITORY


@pytest.fixture(autouse=True)
def _thawed() -> object:
    yield
    gc.unfreeze()


def test_no_garbage_is_looked_for_while_loading_and_what_came_is_left_out_afterwards() -> None:
    before = gc.get_freeze_count()
    with without_stalls():
        assert not gc.isenabled()
        kept = [[] for _ in range(100)]  # type: ignore[var-annotated]
    assert gc.isenabled() and gc.get_freeze_count() >= before + len(kept)


def test_a_load_that_fails_leaves_collection_as_it_was() -> None:
    with pytest.raises(RuntimeError), without_stalls():
        raise RuntimeError
    assert gc.isenabled()


@pytest.mark.skipif(sys.platform != "linux", reason="shared libraries are opened ahead on Linux only")
def test_the_generator_that_ships_is_loaded_without_torch() -> None:
    code = (
        "import sys\n"
        "from dar_tui.imagine import load_generator as load\n"
        "from dar_tui.tui.models import load_generator\n"
        "load_generator(lambda: load('bundled'), uses_torch=False)\n"
        "assert 'torch' not in sys.modules and 'libtorch' not in open('/proc/self/maps').read()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


@pytest.mark.skipif(sys.platform != "linux", reason="shared libraries are opened ahead on Linux only")
def test_torchs_libraries_are_open_before_python_imports_torch() -> None:
    code = (
        "import sys\n"
        "from dar_tui.tui.models import open_torch\n"
        "open_torch()\n"
        "assert 'torch' not in sys.modules and 'libtorch_python' in open('/proc/self/maps').read()\n"
        "import torch\n"
        "print(float(torch.ones(2).sum()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (done.stdout, done.stderr) == ("2.0\n", "")
