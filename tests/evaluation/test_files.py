"""The files of the benchmarks: accepted whole, or refused with file, entry and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dar_tui.evaluation.datasets import (
    BadBenchmark,
    check_images,
    check_photos,
    chosen,
    read_attributes,
    read_captions,
    read_corpus,
    read_dialogs,
    read_rewrites,
)
from indexer.errors import UsageError
from tests.evaluation.conftest import Bench

CHATIR = Path(__file__).parents[2].parent / "shared" / "benchmarks" / "chatir"
GOOD = {"img": "a.jpg", "dialog": [f"text {turn}" for turn in range(11)]}


def written(folder: Path, value: object) -> Path:
    path = folder / "file.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.skipif(not CHATIR.is_dir(), reason="the ChatIR files are not beside the repository")
def test_every_file_of_the_protocol_is_accepted() -> None:
    corpus = read_corpus(CHATIR / "Search_Space_val_50k.json")
    files = [path for path in sorted(CHATIR.glob("*.json")) if path != corpus.path]
    assert len(corpus.names) == 50_000 and len(files) == 5
    for path in files:
        dialogs = read_dialogs(path)
        assert len(dialogs.entries) == 2064 == len(corpus.rows_of(dialogs))
        assert {len(entry.texts) for entry in dialogs.entries} == {11}
    dialogs = read_dialogs(CHATIR / "VisDial_v1.0_queries_val.json")
    assert read_rewrites(CHATIR / "plugir_rewrites.json", dialogs).entries[7].target == dialogs.entries[7].target


@pytest.mark.parametrize(
    ("value", "entry", "reason"),
    [
        ("{", "the file", "not JSON"),
        ({"img": "a"}, "the file", "a list"),
        ([], "the file", "an empty list"),
        ([GOOD, 3], "entry 1", "a number"),
        ([GOOD, {"dialog": ["a"]}], "entry 1", '"img" is to be a path, not null'),
        ([{"img": ["a.jpg"], "dialog": []}], "entry 0", '"img" is to be a path, not a list'),
        ([GOOD, {"img": "b.jpg", "dialog": "text"}], "entry 1", '"dialog" is to be a list'),
        ([GOOD, GOOD, {"img": "b.jpg", "dialog": ["a", None]}], "entry 2", '"dialog" 1 is to be a text, not null'),
        ([{"img": "b.jpg", "dialog": ["a"] * 10}], "entry 0", "10 texts, 11 are needed"),
    ],
)
def test_dialogues_are_refused_with_entry_and_reason(tmp_path: Path, value: Any, entry: str, reason: str) -> None:
    path = written(tmp_path, value)
    with pytest.raises(BadBenchmark) as refused:
        read_dialogs(path)
    assert str(path) in refused.value.message and entry in refused.value.message and reason in refused.value.message


@pytest.mark.parametrize(
    ("value", "entry", "reason"),
    [
        (["a.jpg", 5], "entry 1", "a number"),
        (["a.jpg", "b.jpg", "a.jpg"], "entry 2", "entry 0 as well"),
        (["../a.jpg"], "entry 0", "leads out"),
        (["a.jpg", ""], "entry 1", "an empty text"),
    ],
)
def test_a_corpus_is_refused_with_entry_and_reason(tmp_path: Path, value: Any, entry: str, reason: str) -> None:
    with pytest.raises(BadBenchmark) as refused:
        read_corpus(written(tmp_path, value))
    assert "file.json" in refused.value.message and entry in refused.value.message and reason in refused.value.message


def test_a_photo_outside_the_corpus_and_a_missing_one_are_named(bench: Bench) -> None:
    names = json.loads(bench.corpus.read_text())
    (bench.images / names[4]).unlink()
    with pytest.raises(BadBenchmark, match=r"corpus\.json: entry 4: .* is not in .*images"):
        check_images(read_corpus(bench.corpus), bench.images)
    bench.corpus.write_text(json.dumps(names[:3] + names[4:]))
    with pytest.raises(BadBenchmark, match=r"dialogs\.json: entry 3: .*is not in .*corpus\.json"):
        read_corpus(bench.corpus).rows_of(read_dialogs(bench.dialogs))


def test_rewrites_of_other_dialogues_are_refused(bench: Bench) -> None:
    dialogs = read_dialogs(bench.dialogs)
    rewrites = json.loads(bench.rewrites.read_text())
    for broken, reason in ((rewrites[1:], "19 entries"), ([rewrites[1], *rewrites[1:]], "entry 0: it is of")):
        bench.rewrites.write_text(json.dumps(broken))
        with pytest.raises(BadBenchmark, match=reason):
            read_rewrites(bench.rewrites, dialogs)


def test_captions_come_in_three_formats(tmp_path: Path) -> None:
    expected = {"a.jpg": ("A dog", "A brown dog"), "b#1.jpg": ("A cat",)}
    tsv = "a.jpg\tA dog .\nb#1.jpg\tA cat.\na.jpg\tA brown dog\n"
    token = "a.jpg#0\tA dog .\na.jpg#1\tA brown dog .\nb#1.jpg#0\tA cat\n"
    images = [{"id": 9, "file_name": "a.jpg"}, {"id": 4, "file_name": "b#1.jpg"}]
    said = [(9, "A dog."), (4, "A cat."), (9, "A brown dog")]
    coco = {"images": images, "annotations": [{"image_id": at, "caption": text} for at, text in said]}
    for text in (tsv, token, json.dumps(coco)):
        path = tmp_path / "captions"
        path.write_text(text)
        found = read_captions(path)
        assert dict(zip(found.names, found.captions, strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.jpg A dog\n", "line 1: a name, a tab"),
        ("a.jpg\tA dog\n\t\n\tA cat\n", "line 3"),
        ("", "no captions"),
        ('{"images": []}', '"annotations"'),
        ('{"images": [{"id": 1}], "annotations": []}', "images 0"),
        ('{"images": [], "annotations": [{"image_id": 3, "caption": "a"}]}', "annotations 0: image_id 3"),
        ("[1", "not JSON"),
    ],
)
def test_captions_are_refused_with_place_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "captions.tsv"
    path.write_text(text)
    with pytest.raises(BadBenchmark, match=reason):
        read_captions(path)


def test_photos_are_chosen_by_the_hash_of_their_names(bench: Bench) -> None:
    everything = read_captions(bench.captions)
    first, rest = chosen(everything, 10), chosen(everything, None, 10)
    assert len(first.names) == 10 and len(rest.names) == 20 and not set(first.names) & set(rest.names)
    assert first == chosen(everything, 10) and first.fewest == 3
    with pytest.raises(UsageError, match="30 photos"):
        chosen(everything, 25, 10)


def test_a_photo_that_is_missing_or_has_too_few_captions_is_named(bench: Bench) -> None:
    everything = read_captions(bench.captions)
    with pytest.raises(BadBenchmark, match="3 captions, 4 are needed"):
        check_photos(everything, bench.images, 4)
    (bench.images / everything.names[2]).unlink()
    with pytest.raises(BadBenchmark, match=everything.names[2]):
        check_photos(everything, bench.images, 3)


def test_attributes_are_read_by_photo(tmp_path: Path) -> None:
    path = tmp_path / "attributes.tsv"
    path.write_text("a.jpg\ta hat\na.jpg\tpeople\nb.jpg\ta dog\n")
    assert read_attributes(path) == {"a.jpg": {"a hat", "people"}, "b.jpg": {"a dog"}}
