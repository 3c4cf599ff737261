"""`dar search`: hits, filters, examples, formats and what goes to which stream."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

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
    assert set(told) == {"query", "understood", "like", "unlike", "encoder", "stage", "notes", "hits"}
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
    for text in ("something red in Munich", "something red in Germany"):
        assert set(names(dar("search", text, "--paths", "-k", 100).text)) == munich
    # No photo here was taken in Paris: then only what Paris looks like counts.
    assert len(names(dar("search", "something red in Paris", "--paths", "-k", 100).text)) == len(every)
    assert set(names(dar("search", "red", "--paths", "-k", 100, "--place", "DE").text)) == munich
    nowhere = dar("search", "red", "--place", "Atlantis")
    assert nowhere.code == 3 and "No photo is in a place called Atlantis (--place)." in nowhere.err
    told = dar("library", "info", "--json").json["places"]
    assert told == {
        "countries": [{"name": "Germany", "photos": len(munich)}],
        "cities": [{"name": "Munich", "country": "Germany", "photos": len(munich)}],
    }
    assert f"countries Germany {len(munich)}\ncities    Munich {len(munich)}\n" in dar("library", "info").text
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


def test_unlike_alone_is_the_same_as_no_in_the_text(dar: Dar, indexed: Path) -> None:
    by_option = dar("search", "--unlike", "red", "-k", 18, "--paths")
    assert by_option.code == 0 and names(by_option.text)[-1] == "red"
    assert names(dar("search", "no red", "-k", 18, "--paths").text) == names(by_option.text)


def test_nothing_at_all_is_a_usage_error(dar: Dar, indexed: Path) -> None:
    for nothing in ((), ("",), ("--unlike", ""), ("--sort", "name")):
        assert dar("search", *nothing).code == 2


@pytest.mark.parametrize(
    ("text", "wants", "rejects"),
    [
        ("no red", [], ["red"]),
        ("no people", [], ["people"]),
        ("photos that aren't of dogs", [], ["dogs"]),
        ("a street without people", ["a street"], ["people"]),
        ("nothing but the sea", ["the sea"], []),
        ("anything but dogs", [], ["dogs"]),
        ("everything except cars", [], ["cars"]),
        ("all photos without people", [], ["people"]),
        ("no cats or dogs", [], ["cats", "dogs"]),
        ("show me photos of my dog", ["my dog"], []),
        ("a no parking sign", ["a parking prohibition sign"], []),
    ],
)
def test_text_is_read_as_the_chat_reads_it(
    dar: Dar, indexed: Path, text: str, wants: list[str], rejects: list[str]
) -> None:
    done = dar("search", text, "--json")
    understood = done.json["understood"]
    assert (understood["wants"], understood["rejects"]) == (wants, rejects)
    assert (understood["when"], understood["where"], understood["unread"]) == ([], [], [])
    lines = [line for line in done.err.splitlines() if line.startswith("Understood:")]
    assert len(lines) == bool(rejects) and all(f"without {reject}" in lines[0] for reject in rejects)


def test_a_reject_pushes_away_what_it_names_and_nothing_is_strong_for_lacking_it(dar: Dar, indexed: Path) -> None:
    hits = dar("search", "no red", "-k", 18, "--json").json["hits"]
    assert Path(hits[-1]["path"]).stem == "red" and hits[-1]["strength"] == "none"
    assert hits[0]["strength"] == "weak"
    assert dar("search", "no red", "--strong").code == 3


def test_literal_takes_text_as_typed(dar: Dar, indexed: Path) -> None:
    done = dar("search", "no red in 2016", "--literal", "--json")
    assert done.json["understood"] == {
        "wants": ["no red in 2016"],
        "rejects": [],
        "when": [],
        "where": [],
        "written": [],
        "rating": None,
        "unread": [],
    }
    assert "Understood" not in done.err


def test_dates_and_folders_in_the_text_filter(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red in 2016", "--json", "-k", 50)
    assert {Path(hit["path"]).stem for hit in done.json["hits"]} == {"green"}
    assert done.json["understood"]["when"] == [
        {"phrase": "in 2016", "first": "2016-01-01", "last": "2016-12-31", "excluded": False}
    ]
    assert "in 2016" in done.err
    foldered = dar("search", "red in the folder patterns", "--paths", "-k", 50)
    assert len(names(foldered.text)) == 12 and all("photo" in name for name in names(foldered.text))


def test_a_date_in_the_text_that_no_photo_has_is_left_out_and_said(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red in 1931", "--json", "-k", 1)
    assert done.code == 0 and Path(done.json["hits"][0]["path"]).stem == "red"
    assert "left out" in done.json["notes"][0] and "left out" in done.err
    assert "no match counts as strong" in done.json["notes"][0]
    assert {hit["strength"] for hit in dar("search", "red in 1931", "--json").json["hits"]} <= {"weak", "none"}
    assert dar("search", "red", "-k", 1, "--json").json["hits"][0]["strength"] == "strong"
    assert dar("search", "red in 1931", "--strong").code == 3
    foldered = dar("search", "red in the folder nowhere", "-k", 1, "--json").json
    assert "nowhere" in foldered["notes"][0] and foldered["hits"][0]["strength"] == "weak"


@pytest.mark.parametrize("asked", [("red", "--after", "2016"), ("red in 2016",), ("--before", "2019"), ("in 2016",)])
def test_how_many_photos_a_filter_by_date_leaves_out_undated_is_said(
    dar: Dar, indexed: Path, asked: tuple[str, ...]
) -> None:
    note = "12 photos are left out because their dates are not known."
    done = dar("search", *asked, "--json")
    assert note in done.json["notes"] and note in done.err
    assert not dar("search", "red", "--json").json["notes"]
    one = dar("search", "red", "--after", "2016", "--name", "photo-0100*")
    assert one.code == 3 and "1 photo is left out because its date is not known." in one.err


def _no_encoder(*_: object, **__: object) -> None:
    raise AssertionError("an encoder was loaded")


def test_filters_alone_list_photos_newest_first_without_an_encoder(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cli.conftest.load_colours", _no_encoder)
    listed = dar("search", "--before", "2100", "-k", 50, "--json")
    dates = [hit["taken_at"] for hit in listed.json["hits"]]
    assert listed.json["stage"] == "filter" and len(dates) == 6 and dates == sorted(dates, reverse=True)
    assert {(hit["score"], hit["strength"]) for hit in listed.json["hits"]} == {(None, "none")}
    every = dar("search", "--name", "*", "-k", 50, "--json").json["hits"]
    known = [hit["taken_at"] for hit in every if hit["taken_at"]]
    assert [hit["taken_at"] for hit in every][: len(known)] == known and len(every) == 18
    assert names(dar("search", "in 2016", "--paths").text) == ["green"]
    assert names(dar("search", "--camera", "canon", "-0").text.replace("\0", "\n")) == ["red"]
    shown = dar("search", "--after", "2016", "-k", 2)
    _, *lines = shown.text.splitlines()
    assert [line for line in lines if line.startswith(" ")] == ["   Munich, Bavaria, Germany"] * 2
    assert len(lines) == 4 and "matches well" not in shown.err
    assert dar("search", "in 1931").code == 3


def test_only_the_filter_that_emptied_the_result_is_blamed(dar: Dar, indexed: Path) -> None:
    def advice(*asked: object) -> str:
        done = dar("search", *asked)
        assert done.code == 3
        return done.err

    dated = advice("red", "--after", "june 2050", "--place", "Munich")
    assert "No photo is dated from 2050-06-01 00:00." in dated and "Munich" not in dated
    assert "dated from 2050-06-01 00:00 and before 2051-01-01" in advice("--after", "june 2050", "--before", "2051")
    both = advice("red", "--camera", "canon", "--place", "Munich", "--after", "2016")
    assert "Some photos pass each filter, but none is dated from 2016-01-01 00:00 and by a camera called canon" in both
    assert "dated in 1931: 1931-01-01 to 1931-12-31" in advice("in 1931")
    neither = advice("red", "--camera", "leica", "--name", "x*")
    assert "No photo is by a camera called leica (--camera), and none named x* (--name)." in neither


def test_names_are_searched_by_pattern_in_any_case(dar: Dar, indexed: Path) -> None:
    def found(*asked: str) -> list[str]:
        return names(dar("search", *asked, "--paths", "-k", 50).text)

    assert found("--name", "RED.*") == ["red"]
    assert found("--name", "red") == []  # the whole name, as the shell has it
    assert sorted(found("--name", "*e?.jpg")) == ["green", "red"]
    assert found("red", "--name", "photo-*")[0].startswith("photo")
    assert len(found("--name", "photo-*", "--under", str(indexed / "patterns"))) == 12
    assert dar("search", "--name", "nothing*").code == 3


def test_sort_orders_what_is_printed(dar: Dar, indexed: Path) -> None:
    best = names(dar("search", "red", "-k", 6, "--paths").text)
    by_name = dar("search", "red", "-k", 6, "--sort", "name", "--json").json["hits"]
    assert [Path(hit["path"]).stem for hit in by_name] == sorted(best)
    assert [hit["rank"] for hit in by_name] == list(range(1, 7))
    dates = [hit["taken_at"] or "" for hit in dar("search", "red", "-k", 6, "--sort", "date", "--json").json["hits"]]
    assert dates == sorted(dates, reverse=True)
    listed = names(dar("search", "--name", "*", "--sort", "name", "-k", 50, "--paths").text)
    assert listed == sorted(listed)
    assert dar("search", "--name", "*", "--sort", "match").code == 2
    assert names(dar("search", "red", "--sort", "match", "-k", 6, "--paths").text) == best


def test_strong_prints_strong_matches_only_and_exits_3_without_any(dar: Dar, indexed: Path) -> None:
    hits = dar("search", "red", "--strong", "--json", "-k", 18).json["hits"]
    assert hits and {hit["strength"] for hit in hits} == {"strong"}
    assert len(hits) < len(dar("search", "red", "--json", "-k", 18).json["hits"])
    none = dar("search", "red", "--strong", "--camera", "Nikon", "--paths")
    assert none.code == 3 and none.out == b""
    assert dar("search", "--name", "*", "--strong").code == 2


@pytest.mark.parametrize("text", ["一只狗在沙滩上", "🐶🏖️", "xzqvw kjhgf", "ein Hund am Strand"])
def test_text_that_is_not_understood_is_never_strong_and_said_so(dar: Dar, indexed: Path, text: str) -> None:
    done = dar("search", text, "--json", "-k", 18)
    assert done.json["understood"]["unread"] == [text]
    assert "strong" not in {hit["strength"] for hit in done.json["hits"]}
    assert "Not understood" in done.err and len(done.json["notes"]) == 1
    assert dar("search", text, "--strong").code == 3


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


def test_what_is_folded_is_listed_on_wish(dar: Dar, indexed: Path) -> None:
    (indexed / "copy-of-red.jpg").write_bytes((indexed / "red.jpg").read_bytes())
    photos.jpeg(indexed / "resaved-red.jpg", image=photos.Image.open(indexed / "red.jpg"), quality=60)
    dar("index")
    every = {str(indexed / name) for name in ("red.jpg", "copy-of-red.jpg", "resaved-red.jpg")}
    # Each hit once, unless copies are asked for.
    for end, option in (("\n", "--paths"), ("\0", "-0")):
        assert len(every & set(dar("search", "red", "-k", 3, option).text.split(end))) == 1
        paths = dar("search", "red", "-k", 3, option, "--all-copies").text.rstrip(end).split(end)
        assert set(paths[:3]) == every and len(paths) == len(set(paths)) == 5
    lines = dar("search", "red", "-k", 1, "--all-copies").text.splitlines()
    assert lines[1].endswith("(+2 similar)")
    assert {line.strip() for line in lines[3:]} | {lines[1].split()[-3]} == every
    # A copy with the same bytes is no photo of its own; a re-saved one is.
    apart = dar("search", "red", "-k", 2, "--no-fold", "--json").json["hits"]
    assert [len(hit["copies"]) + len(hit["similar"]) for hit in apart] in ([0, 1], [1, 0])
    assert {each["path"] for hit in apart for each in (hit, *hit["copies"])} == every
    assert sum("(+1 copy)" in line for line in dar("search", "red", "-k", 2, "--no-fold").text.splitlines()) == 1


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


def test_like_reads_a_photo_from_stdin(dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, found in (
        ((indexed / "red.jpg").read_bytes(), "red"),
        ((indexed / "green.jpg").read_bytes(), "green"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        done = dar("search", "--like", "-", "-k", 1, "--json")
        assert done.json["like"] == ["-"] and names(done.json["hits"][0]["path"]) == [found]


def test_stdin_that_is_no_photo_says_why(dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, reason in ((b"", "is empty"), (b"no photo", "is not an image")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        done = dar("search", "--like", "-")
        assert done.code == 2 and f"--like -: what comes in {reason}" in done.err


def test_a_file_named_like_stdin_is_still_a_file(
    dar: Dar, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_bytes((indexed / "red.jpg").read_bytes())
    assert names(dar("search", "--like", "./-", "-k", 1, "--paths").text) == ["red"]


def test_an_address_is_refused_in_words_and_a_file_address_is_a_path(dar: Dar, indexed: Path) -> None:
    done = dar("search", "--like", "https://example.org/a.jpg")
    assert done.code == 2 and "is an address, and dar fetches nothing" in done.err
    assert dar("search", "--like", (indexed / "red.jpg").as_uri(), "-k", 1, "--paths").code == 0


def test_like_takes_a_truncated_photo_and_says_so(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    whole = photos.jpeg(tmp_path / "cut.jpg", image=Image.new("RGB", (400, 300), photos.RED)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:-20])
    done = dar("search", "--like", tmp_path / "cut.jpg", "-k", 1, "--paths")
    assert names(done.text) == ["red"] and "ends early (truncated)" in done.err
