"""`dar chat --script` and `dar search --imagine`, with small models behind the real command."""

from __future__ import annotations

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dar_tui.cli import main
from indexer.errors import ModelUnavailable
from tests.cli.conftest import Result
from tests.session.world import PaintGenerator, World

Chat = Callable[..., Result]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture
def dar(capfdbinary: pytest.CaptureFixture[bytes], world: World) -> Chat:
    def run(*arguments: object, generator: object | None = None, encoder: object | None = None) -> Result:
        def load(*arguments: object, **options: object) -> Any:
            if isinstance(generator, Exception):
                raise generator
            return generator or PaintGenerator()

        capfdbinary.readouterr()
        given = [str(each) for each in arguments] + ["--library", str(world.library.path)]
        code = main(given, encoder_loader=lambda *a, **k: encoder or world.encoder, generator_loader=load)
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str) -> Path:
        path = tmp_path / "script.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def turns(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.out.splitlines()]


def test_a_five_turn_script_prints_one_object_a_turn(dar: Chat, script: Callable[..., Path]) -> None:
    messages = ["something red and blue", "no", "yes", "can't tell", "actually green, not blue"]
    result = dar("chat", "--script", script(*messages), "--json", "-k", "5")
    assert result.code == 0 and result.err == ""
    played = turns(result)
    assert [each["turn"] for each in played] == list(range(5))
    assert [each["message"] for each in played] == messages
    chips = {"wants", "rejects", "when", "where", "filters"}
    keys = chips | {
        "certainty",
        "turn",
        "message",
        "query",
        "prompts",
        "imagined",
        "question",
        "stage",
        "hits",
        "timings",
        "notes",
    }
    assert all(set(each) == keys for each in played)
    assert all(len(each["prompts"]) == len(each["imagined"]) == 3 for each in played)
    assert all(Path(path).is_file() for each in played for path in each["imagined"])
    assert all(len(each["hits"]) <= 5 and each["stage"] == "fused" for each in played)
    assert played[0]["question"]["expects"] in ("yes-no", "choice", "open")
    assert "green" in played[4]["query"][0] and "blue" not in "".join(played[4]["prompts"])


def test_feedback_commands_rank_again_within_the_turn(dar: Chat, script: Callable[..., Path]) -> None:
    lines = ["something red and blue", "/like 3", "/unlike 1", "/pick 1", "/veto 2", "/skip", "/yes"]
    result = dar("chat", "--script", script(*lines), "--json", "--no-questions", "-k", "6")
    assert result.code == 2 and "no question to skip" in result.err
    played = turns(result)
    first = [hit["path"] for hit in played[0]["hits"]]
    liked = [hit["path"] for hit in played[1]["hits"]]
    assert liked.index(first[2]) < 2 and played[1]["turn"] == 0 and played[1]["prompts"] == []
    assert liked[0] not in [hit["path"] for hit in played[2]["hits"]]
    assert len(played) == 5


def test_yes_no_and_skip_answer_the_question(dar: Chat, script: Callable[..., Path]) -> None:
    result = dar("chat", "--script", script("something red", "/no", "/skip", "/yes"), "--json", "--no-imagine")
    asked = [each["question"]["text"] for each in turns(result) if each["question"]]
    assert result.code == 0 and len(asked) == len(set(asked)) >= 2
    assert [each["turn"] for each in turns(result)] == [0, 1, 1, 2]


def test_without_json_people_can_read_it(dar: Chat, script: Callable[..., Path]) -> None:
    result = dar("chat", "--script", script("something red and blue"), "-k", "2")
    lines = result.text.splitlines()
    assert lines[0] == "[0] something red and blue" and "looking for: something red and blue" in lines[1]
    assert sum("imagined: " in line for line in lines) == 3 and sum(".jpg" in line for line in lines) == 2
    assert lines[-1].endswith("?")


def test_a_session_is_resumed_by_name_or_as_the_latest(dar: Chat, script: Callable[..., Path], world: World) -> None:
    dar("chat", "--script", script("something red and blue"), "--json")
    latest = max((world.library.path / "sessions").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    for resumed in (["--resume"], ["--resume", "latest"], ["--resume", latest.stem]):
        result = dar("chat", *resumed, "--script", script("/like 1", "and green"), "--json", "--no-imagine")
        assert result.code == 2 and "0 photos are shown" in result.err
    played = turns(dar("chat", "--script", script("and green"), "--json", "--no-imagine", "--resume"))
    assert played[0]["turn"] == 1 and any("red" in text for text in played[0]["query"])
    unknown = dar("chat", "--resume", "nonsense", "--script", script("x"))
    assert unknown.code == 2 and "nonsense" in unknown.err and latest.stem[:4] in unknown.err


def test_stdin_is_played(dar: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("something red\n\n  \nand blue\n"))
    assert [each["message"] for each in turns(dar("chat", "--script", "-", "--json"))] == ["something red", "and blue"]


def test_without_terminal_and_script_it_is_a_usage_error_with_a_hint(dar: Chat) -> None:
    result = dar("chat")
    assert result.code == 2 and "--script" in result.err and not result.out


@pytest.mark.parametrize("line", ["/like", "/like zero", "/like 0", "/lick 1", "/yes 3", "/", "/skip now"])
def test_a_command_there_is_not_stops_before_anything_is_played(
    dar: Chat, script: Callable[..., Path], line: str
) -> None:
    result = dar("chat", "--script", script("something red", line), "--json")
    assert result.code == 2 and "Line 2" in result.err and "/like N" in result.err and not result.out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--fusion", "magic"], 2, "z-score"),
        (["--query", "magic"], 2, "statements"),
        (["--profile", "magic"], 2, "bundled"),
        (["--language", "magic"], 2, "rules"),
        (["--script", "/nowhere/script.txt"], 1, "cannot be read"),
        (["--library", "/nowhere/library"], 3, "no library"),
    ],
)
def test_bad_options_are_named(
    script: Callable[..., Path], dar: Chat, options: list[str], code: int, said: str, world: World
) -> None:
    given = ["chat", "--script", str(script("red")), *options]
    if "--library" in options:
        assert main(given, encoder_loader=lambda *a, **k: world.encoder) == code
        return
    result = dar(*given)
    assert result.code == code and said in result.err and "Traceback" not in result.err


def test_a_generator_that_is_missing_is_a_note_and_no_failure(dar: Chat, script: Callable[..., Path]) -> None:
    missing = ModelUnavailable("The generator is not here.", "Run `dar models pull`.")
    result = dar("chat", "--script", script("something red"), "--json", generator=missing)
    (played,) = turns(result)
    assert result.code == 0 and played["stage"] == "text" and len(played["hits"]) == 10
    assert played["notes"] == ["The generator is not here. Run `dar models pull`."] and played["imagined"] == []


def test_an_encoder_the_library_has_no_vectors_of_is_refused(dar: Chat, script: Callable[..., Path]) -> None:
    result = dar("chat", "--script", script("red"), "--encoder", "other")
    assert result.code == 1 and "encoder other, only of" in result.err and result.out == b""


def test_a_script_that_is_not_text_is_refused(dar: Chat, tmp_path: Path) -> None:
    path = tmp_path / "script.bin"
    path.write_bytes(b"\xff\xfe\x00red")
    result = dar("chat", "--script", path)
    assert result.code == 2 and "UTF-8" in result.err


def test_escape_codes_in_a_message_do_not_reach_the_terminal(dar: Chat, script: Callable[..., Path]) -> None:
    result = dar("chat", "--script", script("something \x1b[31mred"), "--no-imagine")
    assert result.code == 0 and b"\x1b" not in result.out


def test_search_imagines_first(dar: Chat) -> None:
    plain = dar("search", "something red left of blue", "--json").json
    fused = dar("search", "something red left of blue", "--imagine", "--json").json
    assert plain["stage"] == "text" and "imagined" not in plain
    assert fused["stage"] == "fused" and len(fused["imagined"]) == len(fused["prompts"]) == 3
    assert all(Path(path).is_file() for path in fused["imagined"])
    assert Path(fused["hits"][0]["path"]).stem == "red-blue"
    again = dar("search", "something red left of blue", "--imagine", "--json").json
    assert again == fused


def test_search_without_a_generator_falls_back_to_text_with_a_note(dar: Chat) -> None:
    result = dar("search", "red", "--imagine", "--json", generator=ModelUnavailable("Not here.", "Pull it."))
    assert result.code == 0 and result.json["stage"] == "text" and "Nothing was imagined: Not here." in result.err
    assert result.json["imagined"] == []


def test_search_has_nothing_to_imagine_without_words(dar: Chat, world: World) -> None:
    photo = next(world.photos.iterdir())
    assert dar("search", "--imagine", "--like", photo).code == 2
    assert dar("search", "no", "people", "--imagine").code in (0, 3)


def test_a_disk_that_refuses_the_session_is_told_once_a_turn_in_words(
    dar: Chat, script: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dar_tui.session.transcript.Transcript.append", full)
    done = dar("chat", "--script", script("something red"))
    assert done.code == 0 and done.err.count("not being saved: No space left on device") == 1
    assert "Errno" not in done.err


def test_what_cannot_be_read_is_noted_and_not_searched_for(dar: Chat, script: Callable[..., Path]) -> None:
    spoken = ("\u4e00\u53ea\u72d7\u5728\u6c99\u6ee9\u4e0a", "\U0001f436\U0001f3d6\ufe0f", "xzqvw kjhgf")
    for text in spoken:
        first, second, third = turns(
            dar("chat", "--script", script(text, "qqqq zzzz", "red"), "--json", "--no-imagine", "--no-questions")
        )
        assert any("Not understood" in note and text in note for note in first["notes"])
        assert first["hits"] == first["wants"] == second["wants"] == [] and third["wants"] == ["red"]
        assert not any(text in note for note in second["notes"]) and any("qqqq" in note for note in second["notes"])
        assert not third["notes"]
    read = turns(dar("chat", "--script", script("red"), "--json", "--no-imagine", "--no-questions"))[0]
    assert not read["notes"] and read["hits"][0]["strength"] == "strong"


def test_a_filter_left_out_is_noted_and_nothing_is_strong_without_it(
    dar: Chat, script: Callable[..., Path], world: World
) -> None:
    played = turns(dar("chat", "--script", script("red in 1931"), "--json", "--no-imagine", "--no-questions"))[0]
    assert "1931-01-01 to 1931-12-31" in played["notes"][0] and "left out" in played["notes"][0]
    assert "strong" not in {hit["strength"] for hit in played["hits"]} and played["hits"]


def test_a_stretch_that_ends_before_it_begins_is_noted(dar: Chat, script: Callable[..., Path]) -> None:
    first, second = turns(
        dar("chat", "--script", script("red 2021-2020", "green"), "--json", "--no-imagine", "--no-questions")
    )
    assert first["notes"] == ['No date was read from "2021-2020": it ends before it begins.'] and not second["notes"]
    assert dar("search", "red 2021-2020", "--json").json["notes"] == first["notes"]
