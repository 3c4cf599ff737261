"""Fixtures for the storage tests; `colours` has what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.library import Library
from indexer.store import qdrant_store
from tests.indexer.colours import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def qdrant(monkeypatch: pytest.MonkeyPatch) -> str:
    """The place of vectors on a Qdrant server that lives in this process; everyone who connects meets the same one."""
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    # Closing a connection does not end a server.
    monkeypatch.setattr(client, "close", lambda **_: None)
    monkeypatch.setattr(qdrant_store, "connect", lambda url: client)
    return "qdrant:http://qdrant.example:6333"


@pytest.fixture(params=["files", "qdrant"])
def vectors(request: pytest.FixtureRequest) -> str:
    """Where a library keeps its vectors: every test that asks runs once for each vector store."""
    return "" if request.param == "files" else request.getfixturevalue("qdrant")


@pytest.fixture
def library(tmp_path: Path, vectors: str) -> Library:
    return Library.create(tmp_path / "library", graph_threshold=500, vectors=vectors)


@pytest.fixture
def library_in_files(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "library", graph_threshold=500)
