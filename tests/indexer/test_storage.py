"""Below the library: schema versions, paths, vector files, the writer's lock, whole files."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DarError, LibraryBusy, LibraryDamaged, LibraryTooNew
from indexer.files import write_atomically
from indexer.library import Library
from indexer.paths import join, outermost, relative
from indexer.store.catalog import CATALOG_NAME, Catalog
from indexer.store.catalog_writer import CatalogWriter, ImageFields
from indexer.store.disk import HOLDER_NAME, current_holder, disk_errors_named, writer_lock
from indexer.store.file_store import VectorAppender, map_rows, whole_rows
from indexer.store.schema import MIGRATIONS, connect, migrate, schema_version, transaction
from indexer.store.vectors import checksums


def test_an_older_schema_is_brought_up_to_date_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / CATALOG_NAME
    connection = connect(path, readonly=False)
    migrate(connection, path)
    connection.execute("INSERT INTO roots (path) VALUES (x'2f61')")
    later = (*MIGRATIONS, ("ALTER TABLE roots ADD COLUMN label TEXT NOT NULL DEFAULT 'photos'",))
    migrate(connection, path, later)
    assert schema_version(connection) == len(later)
    assert connection.execute("SELECT path, label FROM roots").fetchall() == [(b"/a", "photos")]
    connection.close()


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / CATALOG_NAME
    connection = connect(path, readonly=False)
    migrate(connection, path)
    broken = (*MIGRATIONS, ("CREATE TABLE extra (x)", "CREATE TABLE nonsense"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, path, broken)
    assert schema_version(connection) == len(MIGRATIONS)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'extra'").fetchall() == []
    connection.close()


def test_a_library_of_a_newer_dar_is_refused_by_readers_and_writers(tmp_path: Path) -> None:
    Library.create(tmp_path).close()
    connection = connect(tmp_path / CATALOG_NAME, readonly=False)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LibraryTooNew, match="its schema is 99"):
        Library.open(tmp_path)
    with pytest.raises(LibraryTooNew):
        CatalogWriter.open(tmp_path / CATALOG_NAME)


def test_an_empty_catalog_of_a_run_killed_at_birth_is_opened(tmp_path: Path) -> None:
    (tmp_path / CATALOG_NAME).touch()
    with Library.open(tmp_path) as library:
        assert library.info().photos == 0


def test_a_catalog_that_is_no_database_is_damage_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / CATALOG_NAME).write_bytes(b"this is not a database" * 100)
    with pytest.raises(LibraryDamaged) as raised:
        Library.open(tmp_path)
    assert "dar index" in raised.value.hint


def test_the_library_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "library"
    Library.create(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / CATALOG_NAME).stat().st_mode) == 0o600


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    catalog = CatalogWriter.open(tmp_path / CATALOG_NAME)
    with pytest.raises(KeyError), transaction(catalog.connection):
        catalog.claim(b"/photos")
        raise KeyError
    assert catalog.roots() == []
    catalog.close()


def test_reading_the_catalog_sees_one_state_while_another_writes(tmp_path: Path) -> None:
    writer = CatalogWriter.open(tmp_path / CATALOG_NAME)
    reader = Catalog.open(tmp_path / CATALOG_NAME)
    with reader.consistent():
        assert reader.roots() == []
        before = reader.version()
        with writer.transaction():
            writer.claim(b"/photos")
        assert reader.roots() == []
    assert [root.path for root in reader.roots()] == [b"/photos"]
    assert reader.version() != before
    reader.close()
    writer.close()


def test_images_keep_their_id_and_ids_are_never_given_out_again(tmp_path: Path) -> None:
    catalog = CatalogWriter.open(tmp_path / CATALOG_NAME)
    fields = ImageFields(1, 2, 3, "PNG")
    first = catalog.put_image(b"a" * 16, fields)
    assert catalog.put_image(b"a" * 16, fields) == first
    assert catalog.drop_fileless() == [b"a" * 16]
    assert catalog.put_image(b"b" * 16, fields) > first
    catalog.close()


def test_folders_whose_names_begin_alike_are_told_apart(tmp_path: Path) -> None:
    catalog = CatalogWriter.open(tmp_path / CATALOG_NAME)
    image = catalog.put_image(b"a" * 16, ImageFields(1, 2, 3, "PNG"))
    catalog.claim(b"/p")
    names = [
        b"/p/a/x.jpg",
        b"/p/a.jpg",
        b"/p/a0/x.jpg",
        b"/p/ab/x.jpg",
        b"/p/a/\xff\xff.jpg",
        b"/p/\xff" * 1 + b"\xff.jpg",
    ]
    for name in names:
        catalog.put_file(name, 1, 1, image)
    assert [path for path, _ in catalog.files_in(b"/p/a")] == [b"/p/a/x.jpg", b"/p/a/\xff\xff.jpg"]
    assert len(list(catalog.files_in(b"/p"))) == len(names)
    assert catalog.forget(b"/p/a") == 2
    assert len(list(catalog.files_in(b"/p"))) == len(names) - 2
    catalog.close()


def test_paths_nest_by_whole_names() -> None:
    assert relative(b"/a/b", b"/a") == b"b"
    assert relative(b"/ab", b"/a") is None
    assert relative(b"/a", b"/") == b"a"
    assert relative(b"/a", b"/a") == b""
    assert join(b"/", b"a") == b"/a"
    assert outermost([b"/a/b", b"/a", b"/ab", b"/a"]) == [b"/a", b"/ab"]


def test_rows_past_the_committed_ones_are_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "v.f32"
    with VectorAppender(path, 0, 4) as appender:
        appender.append(np.arange(12, dtype=np.float32).reshape(3, 4))
        appender.sync()
    with path.open("ab") as file:
        file.write(b"half a row")
    old = map_rows(path, 2, 4)
    with VectorAppender(path, 2, 4) as appender:
        appender.append(np.full((1, 4), 9, np.float32))
    assert map_rows(path, 3, 4)[:, 0].tolist() == [0, 4, 9]
    assert old[1].tolist() == [4, 5, 6, 7]
    assert not old.flags.writeable
    assert whole_rows(path, 4) == 3


def test_a_vector_file_that_is_too_short_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "v.f32"
    path.write_bytes(b"\0" * 16)
    with pytest.raises(LibraryDamaged):
        map_rows(path, 2, 4)
    with pytest.raises(FileNotFoundError):
        map_rows(tmp_path / "gone.f32", 2, 4)


def test_checksums_notice_a_change_in_any_space() -> None:
    joint, visual = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
    before = checksums(joint, visual)
    visual[1, 2] = 0.5
    after = checksums(joint, visual)
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        with pytest.raises(LibraryBusy, match=f"process {os.getpid()} on "), writer_lock(tmp_path):
            pass
        assert current_holder(tmp_path) is not None
    with writer_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from indexer.store.disk import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LibraryBusy, match=f"process {holder.pid} "), writer_lock(tmp_path):
            pass
        holder.kill()
    assert (tmp_path / HOLDER_NAME).exists()
    with writer_lock(tmp_path):
        pass


def test_a_replaced_file_is_old_or_new_even_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DarError, match="full"), disk_errors_named(tmp_path):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "x"), "full"),
        (OSError(errno.EROFS, "x"), "cannot be written"),
        (sqlite3.OperationalError("database or disk is full"), "full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written"),
    ],
)
def test_disk_errors_say_what_to_do(tmp_path: Path, error: Exception, says: str) -> None:
    with pytest.raises(DarError, match=says) as raised, disk_errors_named(tmp_path):
        raise error
    assert raised.value.hint
