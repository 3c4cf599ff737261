"""A library's vectors in Qdrant: for archives that outgrow one machine's disk or memory.

One collection for each space and generation, one point for each row, its id the row number; no payload, so that only
vectors leave the machine, neither names nor dates nor places. Qdrant keeps int8 copies in memory and the exact vectors
on disk, builds its own graph as points arrive, and may spread a collection over many machines. The catalog, thumbnails
and the moments that spreads are taken from stay in the library's folder.

Knows qdrant-client; everything it raises becomes a DarError that names the server.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.errors import DarError, LibraryDamaged
from indexer.files import write_atomically
from indexer.store.catalog import Space
from indexer.store.vectors import Nearest, RowNumbers, Scan, Spread, Vectors, chunks, moments_of, spread_from

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

# 1,000 vectors of 512 numbers are 2 MB of float32: far below a server's limit of 32 MB a request, even as JSON.
_POINTS_AT_ONCE = 1000
_LINKS, _BUILD_WIDTH = 16, 128
# Text vectors lie off the cloud of photos: of a million, Qdrant's own engine finds 0.960 of the ten nearest at width
# 400, 0.972 at 800, 0.994 at 1,600 (docs/scaling.md).
_SEARCH_WIDTH = 1600
# Enough for means and deviations: the standard error of a mean of this many is 0.3 % of a deviation.
_MOMENTS_FROM = 100_000
_PATIENCE_SECONDS = 60


def connect(url: str) -> QdrantClient:
    """A client of the server at `url`; raises DarError if qdrant-client is not installed."""
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise DarError(
            "This library's vectors are in Qdrant, and qdrant-client is not installed.", "pip install qdrant-client"
        ) from error
    return QdrantClient(url=url, timeout=_PATIENCE_SECONDS, check_compatibility=False)


class QdrantStore:
    """The vectors of one library, called `name` there, on the server at `url`; `folder` is the library's own."""

    def __init__(self, url: str, name: str, folder: Path, client: Callable[[str], QdrantClient] | None = None) -> None:
        self._url = url
        self._name = name
        self._folder = folder
        self._connect = client or connect
        self._connected: QdrantClient | None = None

    def open(self, space: Space, rows: int) -> QdrantRows:
        collection = self.collection(space)
        with self.reached() as client:
            if rows and not client.collection_exists(collection):
                raise FileNotFoundError(f"{self._url} has no collection {collection}")
            held = client.count(collection, exact=True).count if rows else 0
        if held < rows:
            raise LibraryDamaged(
                f"{self._url} holds {held} of {rows} vectors in {collection}.",
                "Run `dar index`: it encodes again what is lost.",
            )
        return QdrantRows(self, space, rows, _read_moments(self._moments(space), space.dim) if rows else None)

    def append_to(self, space: Space, rows: int) -> QdrantAppender:
        from qdrant_client import models

        collection = self.collection(space)
        with self.reached() as client:
            if not client.collection_exists(collection):
                client.create_collection(
                    collection,
                    # Not COSINE, which would store other numbers than the catalog has checksums of.
                    vectors_config=models.VectorParams(size=space.dim, distance=models.Distance.DOT, on_disk=True),
                    hnsw_config=models.HnswConfigDiff(m=_LINKS, ef_construct=_BUILD_WIDTH),
                    quantization_config=models.ScalarQuantization(
                        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
                    ),
                )
            for left_behind in list(_ids(client, collection, rows)):
                client.delete(collection, models.PointIdsList(points=list(left_behind)), wait=True)
        return QdrantAppender(self, space, rows)

    def whole_rows(self, space: Space) -> int:
        with self.reached() as client:
            collection = self.collection(space)
            return client.count(collection, exact=True).count if client.collection_exists(collection) else 0

    def derive(self, space: Space, rows: int, live: RowNumbers, threads: int, index_above: int) -> bool:
        path = self._moments(space)
        # Qdrant brings its graph up to date itself; spreads follow slowly as a library grows.
        known = _read_moments(path, space.dim)
        if known is not None and abs(len(live) - known[0]) * 100 <= known[0]:
            return False
        sample = live[np.unique(np.linspace(0, len(live) - 1, _MOMENTS_FROM).astype(np.int64))] if len(live) else live
        buffer = io.BytesIO()
        moments = moments_of(chunks(self.open(space, rows), sample), space.dim)
        np.savez(buffer, live=np.int64(len(live)), moments=moments)
        write_atomically(path, buffer.getvalue())
        return True

    def drop_derived(self, space: Space) -> None:
        self._moments(space).unlink(missing_ok=True)

    def drop(self, space: Space) -> None:
        with self.reached() as client:
            if client.collection_exists(self.collection(space)):
                client.delete_collection(self.collection(space))
        self._moments(space).unlink(missing_ok=True)

    def problems(self, space: Space, rows: int, *, deep: bool) -> Iterator[str]:
        try:
            opened = self.open(space, rows)
            if deep and rows:
                with self.reached() as client:
                    ids = [one for part in _ids(client, self.collection(space), 0) for one in part]
                if ids[:rows] != list(range(rows)):
                    yield f"{self.collection(space)} on {self._url} lacks vectors"
                elif not opened.indexed:
                    yield f"the moments of {self.collection(space)} are missing; `dar index` makes them again"
        except FileNotFoundError:
            yield f"{self.collection(space)} is missing on {self._url}"
        except LibraryDamaged as error:
            yield error.message

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def collection(self, space: Space) -> str:
        """What the collection of this space is called."""
        return f"dar-{self._name}-{space.encoder}-{space.name}-{space.generation}"

    def _moments(self, space: Space) -> Path:
        return self._folder / f"moments-{space.encoder}-{space.name}-{space.generation}.npz"

    @contextmanager
    def reached(self) -> Iterator[QdrantClient]:
        """The client; what it raises, as a DarError."""
        from qdrant_client.http.exceptions import ApiException

        try:
            if self._connected is None:
                self._connected = self._connect(self._url)
            yield self._connected
        except (ApiException, ConnectionError, ValueError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise DarError(
                f"The vector store {self._url} did not answer as it should: {reason}.",
                "Check that the Qdrant server runs and has the library's collections.",
            ) from error


class QdrantRows:
    """The first `rows` points of one collection. They can be read until the collection is dropped."""

    scans_fast = False

    def __init__(self, store: QdrantStore, space: Space, rows: int, moments: tuple[int, Vectors] | None) -> None:
        self.rows = rows
        # The graph is Qdrant's and always covers all points; without moments a hit's strength would be unknown.
        self.indexed = rows if moments is not None else 0
        self._store = store
        self._space = space
        self._known = moments

    def take(self, rows: RowNumbers) -> Vectors:
        found = np.empty((len(rows), self._space.dim), np.float32)
        for start in range(0, len(rows), _POINTS_AT_ONCE):
            wanted = [int(row) for row in rows[start : start + _POINTS_AT_ONCE]]
            with self._store.reached() as client:
                points = client.retrieve(
                    self._store.collection(self._space), wanted, with_payload=False, with_vectors=True
                )
            vectors: dict[Any, Any] = {point.id: point.vector for point in points}
            lost = [row for row in wanted if row not in vectors]
            if lost:
                raise LibraryDamaged(
                    f"The vector store has lost {len(lost)} vectors of this library.",
                    "`dar library verify --deep` shows more.",
                )
            found[start : start + len(wanted)] = [vectors[row] for row in wanted]
        return found

    def scan(self, vector: Vectors) -> Scan:
        parts = [part @ vector for part in chunks(self, np.arange(self.rows))]
        return Scan(np.concatenate([np.zeros(0, np.float32), *parts]))

    def nearest(self, vector: Vectors, count: int) -> Nearest:
        from qdrant_client import models

        with self._store.reached() as client:
            found = client.query_points(
                self._store.collection(self._space),
                query=vector.tolist(),
                limit=count,
                search_params=models.SearchParams(hnsw_ef=max(_SEARCH_WIDTH, 2 * count)),
                with_payload=False,
            )
        ids = np.array([int(point.id) for point in found.points], np.int64)
        return Nearest(ids[ids < self.rows])

    def spread(self, vector: Vectors) -> Spread:
        assert self._known is not None
        return spread_from(self._known[1], vector)


class QdrantAppender:
    """Adds points behind the committed ones; each `append` returns when the server has them in its log."""

    def __init__(self, store: QdrantStore, space: Space, rows: int) -> None:
        self.rows = rows
        self._store = store
        self._space = space

    def append(self, vectors: Vectors) -> None:
        from qdrant_client import models

        if vectors.ndim != 2 or vectors.shape[1] != self._space.dim:
            raise ValueError(f"expected rows of {self._space.dim}, got an array of {vectors.shape}")
        for start in range(0, len(vectors), _POINTS_AT_ONCE):
            part = vectors[start : start + _POINTS_AT_ONCE]
            batch = models.Batch(ids=list(range(self.rows, self.rows + len(part))), vectors=part.tolist())
            with self._store.reached() as client:
                client.upsert(self._store.collection(self._space), batch, wait=True)
            self.rows += len(part)

    def sync(self) -> None:
        """Nothing to do: see the class."""

    def close(self) -> None:
        """Nothing to do: the connection is the store's."""


def _ids(client: QdrantClient, collection: str, first: int) -> Iterator[list[int]]:
    """The ids of all points from this one on, in order, some at a time."""
    offset: Any = first
    while offset is not None:
        points, offset = client.scroll(
            collection, limit=_POINTS_AT_ONCE, offset=offset, with_payload=False, with_vectors=False
        )
        if points:
            yield [int(point.id) for point in points]


def _read_moments(path: Path, dim: int) -> tuple[int, Vectors] | None:
    """(live rows they were made from, (dim + 1, dim) moments); None if missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            live, moments = int(saved["live"]), np.asarray(saved["moments"], np.float32)
    except Exception:  # a damaged zip raises anything from KeyError to zlib.error
        return None
    return (live, moments) if moments.shape == (dim + 1, dim) else None
