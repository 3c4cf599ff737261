"""Keeps every test away from the user's own data, from the network and from the terminal's colours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.no_network import sitecustomize

NO_NETWORK = Path(sitecustomize.__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """No test reaches beyond this machine (importing `sitecustomize` saw to that), nor does any Python it starts."""
    # Here, not in a fixture: the hub's client reads it when it is imported, which collecting tests does.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    # The models of tests are tiny: threads of torch's wait for one another longer than they compute, five times as long
    # where other work shares the cores. Likewise read at import.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # The size of the terminal that runs the tests, which pytest-xdist hands to its workers and Textual would believe.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(NO_NETWORK), *([known] if known else [])])


@pytest.fixture(autouse=True)
def hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """DAR_HOME in the test's own folder. Prepared models are kept between runs: their folders are named by hashes."""
    monkeypatch.setenv("DAR_HOME", str(tmp_path / "dar-home"))
    monkeypatch.setenv("DAR_CACHE", str(request.config.cache.mkdir("dar")))
    monkeypatch.delenv("DAR_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield
