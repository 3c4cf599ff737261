"""`dar search`: hits, filters, examples, formats and what goes to which stream."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.terminal import run_in_terminal


def names(text: str) -> list[str]:
    return [Path(line).stem for line in text.splitlines()]


def test_the_table_has_rank_score_strength_date_and_path(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "-k", 3)
    assert done.code == 0
    titles, first, place, *rest = done.text.splitlines()
    assert place.strip() == "Munich, Bavaria, Germany"
    assert titles.split() == ["#", "score", "match", "date", "path"]
    assert re.fullmatch(rf"1  +0\.\d{{3}}  strong  2015-06-15  {re.escape(str(indexed / 'red.jpg'))}", first)
    assert len([line for line in rest if line.split()[0] in ("2", "3")]) == 2
    assert done.err == ""


def test_words_need_no_quotes(dar: Dar, indexed: Path) -> None:
    assert dar("search", "a", "b", "--json").json["query"] == "a b"


def test_json_has_every_documented_key(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "--json", "-k", 2)
    told = done.json
    assert set(told) == {"query", "like", "unlike", "encoder", "stage", "hits"}
    assert (told["query"], told["encoder"], told["stage"]) == ("red", "test-colour-words-1", "text")
    first = told["hits"][0]
    assert first["path"] == str(indexed / "red.jpg") and first["rank"] == 1
    assert first["taken_at"] == "2015-06-15T12:00:00" and first["taken_from"] == "exif"
    assert first["camera"] == "Canon EOS R5" and first["strength"] == "strong"
    assert first["latitude"] == pytest.approx(48.1372, abs=1e-4)
    assert (first["width"], first["height"], first["format"]) == (96, 64, "JPEG")
    assert Path(first["thumbnail"]).is_file()
    documented = (REPOSITORY / "docs" / "json.md").read_text()
    assert all(f"`{key}`" in documented for key in (*told, *first))


def test_places_filter_and_one_that_no_photo_has_is_named(dar: Dar, indexed: Path) -> None:
    place = dar("search", "red", "--json", "-k", 1).json["hits"][0]["place"]
    assert place == {"city": "Munich", "region": "Bavaria", "country": "Germany"}
    every = dar("search", "red", "--json", "-k", 100).json["hits"]
    munich = {Path(hit["path"]).stem for hit in every if hit["place"]["city"] == "Munich"}
    assert 0 < len(munich) < len(every)
    for filtered in (("--place", "München"), ("--near", "48.1,11.5"), ("--near", "Munich,5km")):
        found = names(dar("search", "red", "--paths", "-k", 100, *filtered).text)
        assert set(found) == munich
    nowhere = dar("search", "red", "--place", "Atlantis")
    assert nowhere.code == 3 and "Atlantis" in nowhere.err
    unknown = dar("search", "red", "--near", "Florencee")
    assert unknown.code == 2 and "Florence?" in unknown.err


def test_paths_and_zero_ended_paths_are_exact(dar: Dar, indexed: Path) -> None:
    assert dar("search", "red", "-k", 1, "--paths").out == os.fsencode(indexed / "red.jpg") + b"\n"
    assert dar("search", "red", "-k", 1, "-0").out == os.fsencode(indexed / "red.jpg") + b"\0"


def test_output_formats_exclude_one_another(dar: Dar, indexed: Path) -> None:
    assert dar("search", "red", "--json", "-0").code == 2
    assert dar("search", "red", "--json", "--preview").code == 2


def test_like_a_photo_of_the_library_needs_no_encoder_and_leaves_it_out(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.jpeg(indexed / "nearly-red.jpg", image=photos.Image.new("RGB", (96, 64), (200, 30, 30)))
    dar("index")
    monkeypatch.setattr("tests.cli.conftest.load_colours", None)
    done = dar("search", "--like", indexed / "red.jpg", "-k", 1, "--json")
    assert done.json["stage"] == "example"
    assert [Path(hit["path"]).name for hit in done.json["hits"]] == ["nearly-red.jpg"]


def test_like_a_photo_outside_the_library_encodes_it(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    other = photos.jpeg(tmp_path / "other.jpg", image=photos.Image.new("RGB", (50, 50), (20, 20, 220)))
    assert names(dar("search", "--like", other, "-k", 1, "--paths").text) == ["blue"]


def test_like_combines_with_text_and_with_more_photos(dar: Dar, indexed: Path) -> None:
    both = dar("search", "--like", indexed / "red.jpg", "--like", indexed / "green.jpg", "-k", 2, "--paths")
    # Between red and green, away from blue: both have no blue in them.
    assert set(names(both.text)) == {"yellow", "black"}
    mixed = dar("search", "green", "--like", indexed / "red.jpg", "-k", 20, "--paths")
    assert names(mixed.text).index("green") < names(mixed.text).index("blue")


def test_unlike_pushes_away(dar: Dar, indexed: Path) -> None:
    plain = names(dar("search", "yellow", "-k", 18, "--paths").text)
    pushed = names(dar("search", "yellow", "--unlike", "red", "-k", 18, "--paths").text)
    assert pushed.index("green") < plain.index("green") or pushed.index("red") > plain.index("red")
    assert pushed.index("green") < pushed.index("red")


def test_unlike_alone_is_a_usage_error(dar: Dar, indexed: Path) -> None:
    assert dar("search", "--unlike", "red").code == 2


@pytest.mark.parametrize("missing", ["gone.jpg", "folder"])
def test_like_something_that_is_no_photo_says_why(dar: Dar, indexed: Path, tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder").mkdir()
    done = dar("search", "--like", tmp_path / missing)
    assert done.code == 2 and missing in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--after", "2018"), {"yellow", "white", "black"}),
        (("--before", "2016"), {"red"}),
        (("--after", "2016", "--before", "2017"), {"green"}),
        (("--after", "june 2019"), {"white", "black"}),
        (("--before", "2015-06-15"), set()),
        (("--before", "2015-06-16"), {"red"}),
        (("--camera", "canon"), {"red"}),
    ],
)
def test_filters(dar: Dar, indexed: Path, filters: tuple[str, ...], expected: set[str]) -> None:
    done = dar("search", "red", *filters, "--paths", "-k", 50)
    assert set(names(done.text)) == expected
    assert done.code == (0 if expected else 3)


def test_under_a_folder(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "--under", indexed / "patterns", "--paths", "-k", 50)
    assert len(names(done.text)) == 12 and all("photo" in name for name in names(done.text))


def test_nothing_passing_the_filters_is_exit_3_with_empty_json(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "--camera", "Hasselblad", "--json")
    assert done.code == 3 and done.json["hits"] == [] and "--camera" in done.err


@pytest.mark.parametrize("option", ["--after", "--before"])
@pytest.mark.parametrize("text", ["blurb", "2019-13-40", "", "0005"])
def test_bad_dates_name_their_option(dar: Dar, indexed: Path, option: str, text: str) -> None:
    done = dar("search", "red", option, text)
    assert done.code == 2 and option in done.err


def test_dates_that_leave_nothing_are_a_usage_error(dar: Dar, indexed: Path) -> None:
    assert dar("search", "red", "--after", "2020", "--before", "2019").code == 2


def test_nothing_matching_well_is_a_note_on_stderr(dar: Dar, indexed: Path) -> None:
    done = dar("search", "zzz unrelated words", "--json", "-k", 18)
    if all(hit["strength"] == "none" for hit in done.json["hits"]):
        assert "Nothing in the library matches well" in dar("search", "zzz unrelated words", "-k", 18).err
    unrelated = [f"unrelated {number}" for number in range(12)]
    notes = ["matches well" in dar("search", text, "-k", 3).err for text in unrelated]
    assert any(notes)
    assert "matches well" not in dar("search", "red", "-k", 3).err


def test_copies_and_near_duplicates_fold_into_one_line(dar: Dar, indexed: Path) -> None:
    (indexed / "copy-of-red.jpg").write_bytes((indexed / "red.jpg").read_bytes())
    image = photos.Image.open(indexed / "red.jpg")
    photos.jpeg(indexed / "resaved-red.jpg", image=image, quality=60)
    dar("index")
    lines = [line for line in dar("search", "red", "-k", 3).text.splitlines() if "red.jpg" in line]
    assert len(lines) == 1 and lines[0].endswith("(+2 similar)")
    first = dar("search", "red", "-k", 1, "--json").json["hits"][0]
    assert len(first["copies"]) == len(first["similar"]) == 1


def test_preview_paints_in_a_terminal_within_its_width(indexed: Path) -> None:
    code, written = run_in_terminal(command("search", "red", "-k", 2, "--preview"), cwd=REPOSITORY)
    assert code == 0 and written.count("\u2580".encode()) > 20
    visible = re.sub(rb"\x1b\[[0-9;]*m", b"", written).decode()
    painted = [line for line in visible.splitlines() if "\u2580" in line]
    assert painted and max(map(len, painted)) <= 80
    # No questions to the terminal: their answers would end up in the user's next command line.
    assert b"\x1b[c" not in written and b"\x1b[6n" not in written and b"\x1b_G" not in written


def test_preview_without_a_terminal_is_a_note(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "-k", 1, "--preview")
    assert done.code == 0 and "needs a terminal" in done.err and "\x1b" not in done.text


def test_awkward_names_are_visible_for_people_and_exact_for_scripts(dar: Dar, tmp_path: Path) -> None:
    paths = photos.awkward_folder(tmp_path / "awkward")
    dar("index", tmp_path / "awkward")
    shown = dar("search", "red", "-k", 50)
    assert len(shown.text.splitlines()) == len(paths) + 1
    assert "\x1b" not in shown.text and "two\\nlines.jpg" in shown.text and "caf\\xe9" in shown.text
    assert set(dar("search", "red", "-k", 50, "-0").out.split(b"\0")) == {*paths, b""}
    told = dar("search", "red", "-k", 50, "--json").json
    exact = {
        base64.b64decode(hit["path_base64"]) if "path_base64" in hit else hit["path"].encode() for hit in told["hits"]
    }
    assert exact == set(paths)
    json.dumps(told, ensure_ascii=False).encode("utf-8")  # no half characters anywhere


def test_a_closed_pipe_is_silent(indexed: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" | true', "bash", *command("search", "red", "-k", "50", "--json")],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == b""


def test_an_ascii_locale_shows_escapes_instead_of_failing(dar: Dar, dar_process: Dar, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photos.jpeg(tmp_path / "photos" / "ümlaut.jpg")
    dar("index", tmp_path / "photos")
    done = dar_process("search", "red", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert done.code == 0 and b"\\xc3\\xbcmlaut.jpg" in done.out


def test_search_works_while_another_process_writes(dar: Dar, indexed: Path) -> None:
    from indexer.indexing.writer import open_writer

    library = Path(os.environ["DAR_HOME"]) / "libraries" / "default"
    with open_writer(library):
        assert dar("search", "red", "-k", 1).code == 0
