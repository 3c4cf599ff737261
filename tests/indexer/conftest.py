"""Fixtures for the storage tests; `colours` has what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.colours import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)
