"""Fixtures of sessions; `world` has what they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.session.world import World


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture
def world(built: World, tmp_path: Path) -> Iterator[World]:
    """The one library, and a folder of each test's own for what sessions write."""
    built.folder, kept = tmp_path, built.folder
    yield built
    built.folder = kept
