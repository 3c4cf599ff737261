"""Changes to the catalog, each call inside the caller's transaction.

Knows rows, not vectors or files on disk: `indexing.writer` syncs those first and then calls this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import DarError
from indexer.paths import below, join, relative, to_path
from indexer.photos.facts import RULES, SECOND, CaptureFacts, FileFacts, Taken, best_taken
from indexer.photos.places import names_of
from indexer.photos.written import NOTHING_WRITTEN, TextLine, Written, merged
from indexer.printable import visible
from indexer.store.catalog import CHANGES, WORDED, Catalog, EncoderRecord, Root
from indexer.store.schema import connect, keep_sealed, migrate, transaction

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

# The note of the last image whose place has been named.
_PLACED = "placed"


@dataclass(frozen=True)
class ImageFields:
    """What the catalog keeps of an image beside its hash. `size` in bytes; `width`, `height` upright.

    `taken_at` to `longitude`: what the image's bytes say; of an ISO date `taken_known` characters are known.
    `thumbnail`: the CRC-32 of the thumbnail's bytes. `phash`: the picture's perceptual hash, signed. `damage`: what is
    wrong with it though it was opened, or "".
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
    taken_known: int = SECOND
    phash: int | None = None
    damage: str = ""
    written: Written = NOTHING_WRITTEN

    @property
    def taken(self) -> Taken | None:
        """The date as far as it is known."""
        return Taken(self.taken_at.isoformat()[: self.taken_known], self.taken_from) if self.taken_at else None


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
        return cls(connection, path.parent)

    def __init__(self, connection: sqlite3.Connection, folder: Path | None = None) -> None:
        super().__init__(connection, folder)
        self._is_changed = False
        self._is_worded = False
        # Images whose facts, or whose files, changed since theirs were last put together.
        self._stale: set[int] = set()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is changed inside is committed at its end, or none of it; counts as one change if it changed
        which photos can be found, or by what, and apart from that if it changed the words about photos."""
        self._is_changed = self._is_worded = False
        try:
            with transaction(self.connection):
                yield
                self._update_facts()
                if self._is_changed:
                    self.put_meta(CHANGES, str(self.changes() + 1))
                if self._is_worded:
                    self.put_meta(WORDED, str(self.worded() + 1))
        finally:
            self._stale.clear()

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
            self._mark_stale(
                "root_id = ? AND (relpath = ? OR (relpath >= ? AND relpath < ?))", (root.id, inside, *below(inside))
            )
            for table in ("problems", "files"):
                dropped_here = self.connection.execute(
                    f"DELETE FROM {table} WHERE root_id = ? AND (relpath = ? OR (relpath >= ? AND relpath < ?))",
                    (root.id, inside, *below(inside)),
                ).rowcount
            dropped += dropped_here
            self._is_changed |= dropped_here > 0
            if not inside:
                self.connection.execute("DELETE FROM roots WHERE id = ?", (root.id,))
        return dropped

    # Files, images and problems

    def put_image(self, content_hash: bytes, image: ImageFields) -> int:
        """Adds the image unless its bytes are known, with its own facts; returns its id."""
        image_id = self.image_of(content_hash)
        if image_id is None:
            cursor = self.connection.execute(
                "INSERT INTO images (content_hash, size, width, height, format, taken_from, camera, thumbnail, damage)"
                " VALUES (?, ?, ?, ?, ?, '', '', ?, ?)",
                (content_hash, image.size, image.width, image.height, image.format, image.thumbnail, image.damage),
            )
            image_id = int(cursor.lastrowid or 0)
        elif image.thumbnail is not None:
            self.put_thumbnail(image_id, image.thumbnail)
        if image.phash is not None:
            self.put_phashes([(image_id, image.phash)])
        facts = CaptureFacts(image.taken, image.latitude, image.longitude, image.camera, image.written)
        self.put_own_facts(image_id, facts)
        return image_id

    def put_own_facts(self, image_id: int, facts: CaptureFacts) -> None:
        """Says what the image's bytes say of its making, read by the rules of now."""
        taken = facts.taken
        self.connection.execute(
            "UPDATE images SET own_taken_at = ?, own_taken_from = ?, own_latitude = ?, own_longitude = ?, camera = ?,"
            " own_written = ?, facts = ? WHERE id = ?",
            (
                *((taken.text, taken.source) if taken else (None, "")),
                *(facts.latitude, facts.longitude, facts.camera, facts.written.to_json(), RULES, image_id),
            ),
        )
        self._stale.add(image_id)

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

    def put_phashes(self, phashes: Iterable[tuple[int, int]]) -> None:
        """Says what the perceptual hash of each image, by id, is."""
        self.connection.executemany(
            "UPDATE images SET phash = ? WHERE id = ?", [(phash, image_id) for image_id, phash in phashes]
        )

    def put_file(self, path: bytes, size: int, mtime_ns: int, image_id: int, facts: FileFacts | None = None) -> None:
        """Says that the file at `path` holds this image, and what it says of it (None: what was known of a file there);
        a problem noted there is solved."""
        key = self._key(path)
        self._is_changed |= self._mark_stale_at(key) != {image_id}
        self._stale.add(image_id)
        self.connection.execute("DELETE FROM problems WHERE root_id = ? AND relpath = ?", key)
        self.connection.execute(
            "INSERT INTO files (root_id, relpath, size, mtime_ns, image_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
            " image_id = excluded.image_id",
            (*key, size, mtime_ns, image_id),
        )
        if facts is not None:
            taken = (facts.taken.text, facts.taken.source) if facts.taken else (None, "")
            self.connection.execute(
                "UPDATE files SET taken_at = ?, taken_from = ?, latitude = ?, longitude = ?, sidecar = ?, written = ?"
                " WHERE root_id = ? AND relpath = ?",
                (*taken, facts.latitude, facts.longitude, facts.stamp, facts.written.to_json(), *key),
            )

    def put_problem(self, path: bytes, size: int, mtime_ns: int, reason: str) -> None:
        """Says why the file at `path` is not in the library; a photo known there leaves it."""
        key = self._key(path)
        self._drop_file(key)
        self.connection.execute(
            "INSERT OR REPLACE INTO problems (root_id, relpath, size, mtime_ns, reason) VALUES (?, ?, ?, ?, ?)",
            (*key, size, mtime_ns, reason),
        )

    def drop(self, path: bytes) -> None:
        """Forgets the file at `path` and any problem noted there; its image stays for when it returns."""
        key = self._key(path)
        self._drop_file(key)
        self.connection.execute("DELETE FROM problems WHERE root_id = ? AND relpath = ?", key)

    def _drop_file(self, key: tuple[int, bytes]) -> None:
        self._mark_stale_at(key)
        cursor = self.connection.execute("DELETE FROM files WHERE root_id = ? AND relpath = ?", key)
        self._is_changed |= cursor.rowcount > 0

    # Facts

    def _mark_stale_at(self, key: tuple[int, bytes]) -> set[int]:
        return self._mark_stale("root_id = ? AND relpath = ?", key)

    def _mark_stale(self, where: str, parameters: tuple[object, ...]) -> set[int]:
        """Notes the images of the files of which this SQL is true, which are about to change or to go; returns them."""
        rows = self.connection.execute(f"SELECT DISTINCT image_id FROM files WHERE {where}", parameters)
        found = {image_id for (image_id,) in rows}
        self._stale |= found
        return found

    def _update_facts(self) -> None:
        """Puts together what the bytes and all files of each changed image say: the only writer of an image's
        `taken_at`, `taken_from`, `taken_unsure`, `latitude`, `longitude`, `written` and `rating`.

        An image that no file holds any more keeps its facts for when one returns.
        """
        moved: list[int] = []
        for image_id in sorted(self._stale):
            files = self.connection.execute(
                "SELECT taken_at, taken_from, latitude, longitude, written FROM files WHERE image_id = ?"
                " ORDER BY taken_at IS NULL, taken_at, taken_from, latitude, longitude, written",
                (image_id,),
            ).fetchall()
            if not files:
                continue
            *own, latitude_before, longitude_before = self.connection.execute(
                "SELECT own_taken_at, own_taken_from, own_latitude, own_longitude, own_written, latitude, longitude"
                " FROM images WHERE id = ?",
                (image_id,),
            ).fetchone()
            claims = [own, *files]
            taken = best_taken(Taken(text, source) for text, source, *_ in claims if text)
            places = [(latitude, longitude) for _, _, latitude, longitude, _ in claims if latitude is not None]
            # Sidecars first: programs write there what was decided last.
            written = merged(Written.from_json(text) for *_, text in (*files, own) if text)
            self._is_worded |= (
                self.connection.execute(
                    "UPDATE images SET written = ?, rating = ? WHERE id = ? AND (written, rating) IS NOT (?, ?)",
                    (*(given := (written.to_json(), written.rating)), image_id, *given),
                ).rowcount
                > 0
            )
            facts = (
                *((taken.moment.isoformat(), taken.source, taken.is_unsure) if taken else (None, "", False)),
                *(places[0] if places else (None, None)),
            )
            self.connection.execute(
                "UPDATE images SET taken_at = ?, taken_from = ?, taken_unsure = ?, latitude = ?, longitude = ?"
                " WHERE id = ? AND (taken_at, taken_from, taken_unsure, latitude, longitude) IS NOT (?, ?, ?, ?, ?)",
                (*facts, image_id, *facts),
            )
            if facts[3:] != (latitude_before, longitude_before):
                moved.append(image_id)
        if moved:
            # Those that came since the last run are named together at this one's end.
            placed = int(self.meta(_PLACED) or 0)
            self.put_places([image_id for image_id in moved if image_id <= placed])
        self._stale.clear()

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
        self._is_changed = True
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
        self._is_changed = True
        cursor = self.connection.execute("DELETE FROM embeddings WHERE encoder = ? AND row >= ?", (encoder, row))
        return cursor.rowcount

    def drop_embeddings(self, encoder: int, image_ids: Iterable[int]) -> None:
        """Forgets the embeddings of these images; the next run encodes them again."""
        self._is_changed = True
        self.connection.executemany(
            "DELETE FROM embeddings WHERE encoder = ? AND image_id = ?", [(encoder, image) for image in image_ids]
        )

    def drop_fileless(self) -> list[bytes]:
        """Forgets the images that no file holds, with their embeddings; returns their hashes."""
        fileless = "NOT EXISTS (SELECT 1 FROM files WHERE files.image_id = images.id)"
        hashes = [row[0] for row in self.connection.execute(f"SELECT content_hash FROM images WHERE {fileless}")]
        self.connection.execute(f"DELETE FROM embeddings WHERE image_id IN (SELECT id FROM images WHERE {fileless})")
        for table in ("captions", "readings"):
            self._is_worded |= (
                self.connection.execute(
                    f"DELETE FROM {table} WHERE image_id IN (SELECT id FROM images WHERE {fileless})"
                ).rowcount
                > 0
            )
        self.connection.execute(f"DELETE FROM images WHERE {fileless}")
        return hashes

    def replace_embeddings(self, encoder: int, embeddings: Iterable[tuple[int, int, int]]) -> None:
        """Gives every embedding of this encoder its row in a new generation."""
        self.connection.execute("DELETE FROM embeddings WHERE encoder = ?", (encoder,))
        self.put_embeddings(encoder, embeddings)

    def put_null_vectors(self, encoder: int, digest: str, vectors: NDArray[np.float32]) -> None:
        """Keeps the vectors of unrelated texts, so that they can be scored again without the encoder; what was derived
        from others no longer holds."""
        self.connection.execute(
            "UPDATE encoders SET null_digest = ?, null_vectors = ?, derived = -1 WHERE id = ?",
            (digest, vectors.astype("<f4").tobytes(), encoder),
        )

    def put_peaks(self, encoder: int, texts: NDArray[np.float32], photos: NDArray[np.float32]) -> None:
        """Keeps what the library as it is now gives to unrelated texts and to its own photos."""
        self.connection.execute(
            "UPDATE encoders SET text_peaks = ?, photo_peaks = ? WHERE id = ?",
            (texts.astype("<f4").tobytes(), photos.astype("<f4").tobytes(), encoder),
        )

    def put_derived(self) -> None:
        """Records that everything derived from vectors is of the photos as they are now."""
        self.connection.execute("UPDATE encoders SET derived = ?", (self.changes(),))

    # Words

    def put_captions(self, captioner: str, captions: Iterable[tuple[int, str]]) -> None:
        """Keeps (image id, text) as this captioner's, in the place of any other's."""
        self._is_worded = True
        self.connection.executemany(
            "INSERT OR REPLACE INTO captions (image_id, captioner, text) VALUES (?, ?, ?)",
            [(image_id, captioner, text) for image_id, text in captions],
        )

    def put_readings(self, reader: str, readings: Iterable[tuple[int, Sequence[TextLine]]]) -> None:
        """Keeps the lines of text in images, by id, as this reader's; none where it found no text."""
        rows = [
            (image_id, reader, json.dumps(lines, ensure_ascii=False, separators=(",", ":")))
            for image_id, lines in readings
        ]
        self._is_worded |= any(lines != "[]" for _, _, lines in rows)
        self.connection.executemany("INSERT OR REPLACE INTO readings (image_id, reader, lines) VALUES (?, ?, ?)", rows)


def root_folders(catalog: Catalog) -> list[Path]:
    """The folders whose photos are in the library."""
    return [to_path(root.path) for root in catalog.roots()]
