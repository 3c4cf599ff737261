"""Changes to the catalog, each call inside the caller's transaction.

Knows rows, not vectors or files on disk: `writer` syncs those first and then calls this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import DarError
from indexer.paths import below, join, relative, to_path
from indexer.photos.places import names_of
from indexer.printable import visible
from indexer.store.catalog import Catalog
from indexer.store.catalog_schema import connect, migrate, transaction
from indexer.store.records import EncoderRecord, Root
from indexer.store.seals import keep_sealed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

# The note of the last image whose place has been named.
_PLACED = "placed"


@dataclass(frozen=True)
class ImageFields:
    """What the catalog keeps of an image beside its hash. `size` in bytes; `width`, `height` upright.

    `thumbnail`: the CRC-32 of the thumbnail's bytes.
    """

    size: int
    width: int
    height: int
    format: str
    taken_at: datetime | None = None
    taken_from: str = ""
    latitude: float | None = None
    longitude: float | None = None
    camera: str = ""
    thumbnail: int | None = None


class CatalogWriter(Catalog):
    """The catalog, for reading and writing; one at a time, under the writer lock."""

    @classmethod
    def open(cls, path: Path) -> CatalogWriter:
        """Opens the catalog at `path`, makes it if there is none, and brings it to the newest schema."""
        connection = connect(path, readonly=False)
        try:
            migrate(connection, path)
            keep_sealed(connection)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def transaction(self) -> AbstractContextManager[None]:
        """All of what is changed inside is committed at its end, or none of it."""
        return transaction(self.connection)

    # Roots

    def claim(self, folder: bytes) -> None:
        """Makes sure that `folder` lies in a root; the roots it contains become part of it, with all they hold."""
        inner = []
        for root in self.roots():
            if relative(folder, root.path) is not None:
                return
            inside = relative(root.path, folder)
            if inside is not None:
                inner.append((root, inside))
        cursor = self.connection.execute("INSERT INTO roots (path) VALUES (?)", (folder,))
        for root, inside in inner:
            self._reroot(root, int(cursor.lastrowid or 0), inside)

    def _reroot(self, root: Root, outer: int, inside: bytes) -> None:
        # Joined here, not by SQL's `||`, which would take the paths for text.
        for table in ("files", "problems"):
            paths = [
                row[0] for row in self.connection.execute(f"SELECT relpath FROM {table} WHERE root_id = ?", (root.id,))
            ]
            self.connection.executemany(
                f"UPDATE {table} SET root_id = ?, relpath = ? WHERE root_id = ? AND relpath = ?",
                [(outer, join(inside, path), root.id, path) for path in paths],
            )
        self.connection.execute("DELETE FROM roots WHERE id = ?", (root.id,))

    def move_root(self, old: bytes, new: bytes) -> int:
        """Gives every root at or below `old` the same place at or below `new`; returns how many there were."""
        moves = {root: join(new, inside) for root in self.roots() if (inside := relative(root.path, old)) is not None}
        targets = set(moves.values())
        for root in self.roots():
            for target in targets:
                if root not in moves and (relative(target, root.path), relative(root.path, target)) != (None, None):
                    raise DarError(
                        f"{visible(target)} overlaps {visible(root.path)}, which is in the library already.",
                        "Run `dar library forget` on one of the two first.",
                    )
        # By way of names no folder can have, since one root's new place may be another's old one.
        for root in moves:
            self.connection.execute("UPDATE roots SET path = ? WHERE id = ?", (b"\x00" + root.path, root.id))
        for root, target in moves.items():
            self.connection.execute("UPDATE roots SET path = ? WHERE id = ?", (target, root.id))
        return len(moves)

    def forget(self, folder: bytes) -> int:
        """Drops every file and problem at or below `folder`, and its roots; returns how many files that were."""
        dropped = 0
        for root, inside in self.spans(folder):
            for table in ("problems", "files"):
                dropped_here = self.connection.execute(
                    f"DELETE FROM {table} WHERE root_id = ? AND (relpath = ? OR (relpath >= ? AND relpath < ?))",
                    (root.id, inside, *below(inside)),
                ).rowcount
            dropped += dropped_here
            if not inside:
                self.connection.execute("DELETE FROM roots WHERE id = ?", (root.id,))
        return dropped

    # Files, images and problems

    def put_image(self, content_hash: bytes, image: ImageFields) -> int:
        """Adds the image unless its bytes are known; returns its id."""
        known = self.image_of(content_hash)
        if known is not None:
            if image.thumbnail is not None:
                self.put_thumbnail(known, image.thumbnail)
            return known
        cursor = self.connection.execute(
            "INSERT INTO images (content_hash, size, width, height, format, taken_at, taken_from, latitude, longitude,"
            " camera, thumbnail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(content_hash, image.size, image.width, image.height, image.format),
                image.taken_at.isoformat() if image.taken_at else None,
                *(image.taken_from, image.latitude, image.longitude, image.camera, image.thumbnail),
            ),
        )
        return int(cursor.lastrowid or 0)

    def put_places(self, image_ids: Iterable[int] | None = None) -> None:
        """Names the places of these images from their latitude and longitude; None: of all that came since last time.

        To be called with the ids of images whose latitude or longitude changed.
        """
        done = int(self.meta(_PLACED) or 0)
        asked = "id > ?" if image_ids is None else "id = ?"
        rows: list[tuple[int, float | None, float | None]] = []
        for value in [done] if image_ids is None else image_ids:
            rows += self.connection.execute(f"SELECT id, latitude, longitude FROM images WHERE {asked}", (value,))
        located = [(image, (lat, lon)) for image, lat, lon in rows if lat is not None and lon is not None]
        names = names_of([place for _, place in located])
        self.connection.executemany(
            "UPDATE images SET city = '', region = '', country = '' WHERE id = ? AND country <> ''",
            [(row[0],) for row in rows if row[1] is None or row[2] is None],
        )
        self.connection.executemany(
            "UPDATE images SET city = ?, region = ?, country = ? WHERE id = ?",
            [(name.city, name.region, name.country, image) for (image, _), name in zip(located, names, strict=True)],
        )
        if image_ids is None and rows:
            self.put_meta(_PLACED, str(max(row[0] for row in rows)))

    def put_thumbnail(self, image_id: int, checksum: int) -> None:
        """Says what the CRC-32 of the image's thumbnail is."""
        self.connection.execute("UPDATE images SET thumbnail = ? WHERE id = ?", (checksum, image_id))

    def put_file(self, path: bytes, size: int, mtime_ns: int, image_id: int) -> None:
        """Says that the file at `path` holds this image; a problem noted there is solved."""
        key = self._key(path)
        self.connection.execute("DELETE FROM problems WHERE root_id = ? AND relpath = ?", key)
        self.connection.execute(
            "INSERT INTO files (root_id, relpath, size, mtime_ns, image_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
            " image_id = excluded.image_id",
            (*key, size, mtime_ns, image_id),
        )

    def put_problem(self, path: bytes, size: int, mtime_ns: int, reason: str) -> None:
        """Says why the file at `path` is not in the library; a photo known there leaves it."""
        key = self._key(path)
        self.connection.execute("DELETE FROM files WHERE root_id = ? AND relpath = ?", key)
        self.connection.execute(
            "INSERT OR REPLACE INTO problems (root_id, relpath, size, mtime_ns, reason) VALUES (?, ?, ?, ?, ?)",
            (*key, size, mtime_ns, reason),
        )

    def drop(self, path: bytes) -> None:
        """Forgets the file at `path` and any problem noted there; its image stays for when it returns."""
        key = self._key(path)
        for table in ("files", "problems"):
            self.connection.execute(f"DELETE FROM {table} WHERE root_id = ? AND relpath = ?", key)

    def _key(self, path: bytes) -> tuple[int, bytes]:
        for root in self.roots():
            inside = relative(path, root.path)
            if inside is not None:
                return root.id, inside
        raise DarError(f"{visible(path)} is in no folder of the library.", "Run `dar index` on its folder.")

    def put_meta(self, key: str, value: str) -> None:
        """Keeps a note of the writer's to itself."""
        self.connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    # Encoders and embeddings

    def put_encoder(self, spec: str, encoder_id: str, dim: int, visual_dim: int) -> EncoderRecord:
        """Registers an encoder, or a known one's new spec; the first one is active."""
        self.connection.execute(
            "INSERT INTO encoders (spec, encoder_id, dim, visual_dim, active)"
            " VALUES (?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM encoders))"
            " ON CONFLICT (encoder_id) DO UPDATE SET spec = excluded.spec",
            (spec, encoder_id, dim, visual_dim),
        )
        return next(encoder for encoder in self.encoders() if encoder.encoder_id == encoder_id)

    def activate(self, encoder: int) -> None:
        """Makes this the encoder that searches use."""
        self.connection.execute("UPDATE encoders SET active = (id = ?)", (encoder,))

    def drop_encoder(self, encoder: int) -> None:
        """Forgets an encoder that searches do not use, with its embeddings."""
        self.connection.execute("DELETE FROM embeddings WHERE encoder = ?", (encoder,))
        self.connection.execute("DELETE FROM encoders WHERE id = ? AND NOT active", (encoder,))

    def put_embeddings(self, encoder: int, embeddings: Iterable[tuple[int, int, int]]) -> None:
        """Adds (image id, row, checksum) for rows that are on the disk."""
        self.connection.executemany(
            "INSERT INTO embeddings (encoder, image_id, row, checksum) VALUES (?, ?, ?, ?)",
            [(encoder, *embedding) for embedding in embeddings],
        )

    def set_rows(self, encoder: int, rows: int, generation: int) -> None:
        """Says how many rows of which generation of vector files count."""
        self.connection.execute(
            "UPDATE encoders SET rows = ?, generation = ? WHERE id = ?", (rows, generation, encoder)
        )

    def drop_embeddings_from(self, encoder: int, row: int) -> int:
        """Forgets the embeddings at `row` and after, whose vectors are lost; returns how many those were."""
        cursor = self.connection.execute("DELETE FROM embeddings WHERE encoder = ? AND row >= ?", (encoder, row))
        return cursor.rowcount

    def drop_embeddings(self, encoder: int, image_ids: Iterable[int]) -> None:
        """Forgets the embeddings of these images; the next run encodes them again."""
        self.connection.executemany(
            "DELETE FROM embeddings WHERE encoder = ? AND image_id = ?", [(encoder, image) for image in image_ids]
        )

    def drop_fileless(self) -> list[bytes]:
        """Forgets the images that no file holds, with their embeddings; returns their hashes."""
        fileless = "NOT EXISTS (SELECT 1 FROM files WHERE files.image_id = images.id)"
        hashes = [row[0] for row in self.connection.execute(f"SELECT content_hash FROM images WHERE {fileless}")]
        self.connection.execute(f"DELETE FROM embeddings WHERE image_id IN (SELECT id FROM images WHERE {fileless})")
        self.connection.execute(f"DELETE FROM captions WHERE image_id IN (SELECT id FROM images WHERE {fileless})")
        self.connection.execute(f"DELETE FROM images WHERE {fileless}")
        return hashes

    def replace_embeddings(self, encoder: int, embeddings: Iterable[tuple[int, int, int]]) -> None:
        """Gives every embedding of this encoder its row in a new generation."""
        self.connection.execute("DELETE FROM embeddings WHERE encoder = ?", (encoder,))
        self.put_embeddings(encoder, embeddings)

    def put_null_vectors(self, encoder: int, digest: str, vectors: NDArray[np.float32]) -> None:
        """Keeps the vectors of unrelated texts, so that they can be scored again without the encoder."""
        self.connection.execute(
            "UPDATE encoders SET null_digest = ?, null_vectors = ? WHERE id = ?",
            (digest, vectors.astype("<f4").tobytes(), encoder),
        )

    def put_peaks(self, encoder: int, texts: NDArray[np.float32], photos: NDArray[np.float32]) -> None:
        """Keeps what the library as it is now gives to unrelated texts and to its own photos."""
        self.connection.execute(
            "UPDATE encoders SET text_peaks = ?, photo_peaks = ? WHERE id = ?",
            (texts.astype("<f4").tobytes(), photos.astype("<f4").tobytes(), encoder),
        )


def root_folders(catalog: Catalog) -> list[Path]:
    """The folders whose photos are in the library."""
    return [to_path(root.path) for root in catalog.roots()]
