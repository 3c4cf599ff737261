"""Saved sessions on a real disk: a cut at every byte, two writers, privacy, damage, listing."""

import json
import os
import stat
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest

from dar_tui.dialogue.dialogue import (
    Dialogue,
    DialogueUnreadable,
    OnPicture,
    Opinion,
    Question,
    QuestionAsked,
    QuestionSkipped,
    UserMessage,
)
from dar_tui.language.when import Hemisphere
from dar_tui.session.transcript import (
    Pictured,
    Prompted,
    Record,
    SessionBusy,
    Shown,
    Started,
    Transcript,
    resume,
    session_path,
    sessions,
)

NOW = datetime(2024, 10, 15, 12)
RECORDS: tuple[Record, ...] = (
    Started(NOW, "/photos/library", "bundled"),
    UserMessage("a dog 🐶 on the пляж", NOW),
    Prompted(0, ("a dog",), ("Candid photo of a dog.", "Plain photo of a dog."), (11, 12)),
    Pictured(0, 0, "imagined/0-0.png"),
    Shown(0, "fused", ("a.jpg", "b\udce9.jpg")),
    QuestionAsked(Question("Is it sunny?", "sunny")),
    UserMessage("no, rainy\nand \u2028 cold", NOW),
    OnPicture(0, 1, Opinion.BAD),
    QuestionAsked(Question("Is there a cat?", "cat")),
    QuestionSkipped(),
)
EVENTS = tuple(record for record in RECORDS if not isinstance(record, (Started, Prompted, Pictured, Shown)))


def written(path: Path, records: tuple[Record, ...] = RECORDS) -> Path:
    with Transcript(path) as transcript:
        for record in records:
            transcript.append(record)
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    saved = resume(written(tmp_path / "s.jsonl"))
    assert saved.records == RECORDS
    assert saved.dialogue == Dialogue(EVENTS)
    assert saved.dialogue.vetoed == ((0, 1),)


def test_a_session_keeps_its_hemisphere_and_older_ones_have_the_north(tmp_path: Path) -> None:
    started = Started(NOW, hemisphere=Hemisphere.SOUTH)
    path = written(tmp_path / "s.jsonl", (started, UserMessage("a dog last summer", NOW)))
    dialogue = resume(path).dialogue
    assert dialogue.hemisphere is Hemisphere.SOUTH
    assert dialogue.need().when[0].holds(date(2024, 1, 15)) and not dialogue.need().when[0].holds(date(2024, 7, 15))
    assert Dialogue.from_json(json.loads(json.dumps(dialogue.to_json()))) == dialogue
    path.write_text(path.read_text().replace(',"hemisphere":"south"', ""))
    assert resume(path).dialogue.hemisphere is Hemisphere.NORTH
    path.write_text(path.read_text().replace('"version":1', '"version":1,"hemisphere":"east"'))
    with pytest.raises(DialogueUnreadable, match="east"):
        resume(path)


def test_a_cut_at_every_byte_leaves_the_whole_records(tmp_path: Path) -> None:
    data = written(tmp_path / "s.jsonl").read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        whole = data[:size].count(b"\n")
        saved = resume(cut)
        assert saved.records == RECORDS[:whole], size
        assert saved.dialogue == Dialogue(tuple(record for record in RECORDS[:whole] if record in EVENTS))


def test_writing_continues_after_a_cut(tmp_path: Path) -> None:
    data = written(tmp_path / "s.jsonl").read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in range(0, len(data), 37):
        cut.write_bytes(data[:size])
        whole = data[:size].count(b"\n")
        written(cut, RECORDS[whole:])
        assert cut.read_bytes() == data, size


def test_every_record_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    code = (
        "import os, sys; from pathlib import Path; from datetime import datetime;"
        "from dar_tui.session.transcript import Transcript, Started; from dar_tui.dialogue.dialogue import UserMessage;"
        "t = Transcript(Path(sys.argv[1])); t.append(Started(datetime(2024, 1, 1)));"
        "t.append(UserMessage('a dog', datetime(2024, 1, 1))); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert resume(path).dialogue.turns[0].answer == "a dog"
    with Transcript(path) as transcript:  # The dead writer holds nothing.
        transcript.append(UserMessage("on a beach", NOW))
    assert len(resume(path).dialogue.turns) == 2


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl")
    with Transcript(path):
        with pytest.raises(SessionBusy) as error:
            Transcript(path)
        assert error.value.hint
        assert resume(path).records == RECORDS
    Transcript(path).close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_files_are_private(tmp_path: Path) -> None:
    path = written(tmp_path / "sessions" / "s.jsonl")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_session_starts_once(tmp_path: Path) -> None:
    with Transcript(tmp_path / "s.jsonl") as transcript:
        with pytest.raises(ValueError):
            transcript.append(UserMessage("a dog", NOW))
        transcript.append(RECORDS[0])
        with pytest.raises(ValueError):
            transcript.append(RECORDS[0])


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9', 1))
    with pytest.raises(DialogueUnreadable, match="version 9"):
        resume(path)
    with pytest.raises(DialogueUnreadable):
        Transcript(path)


def test_damage_in_the_middle_is_named_and_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"\x00\xff{\n", *lines[4:]]))
    before = path.read_bytes()
    with pytest.raises(DialogueUnreadable, match="Line 4"):
        resume(path)
    with pytest.raises(DialogueUnreadable):
        Transcript(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        '{"kind":"said","text":"last summer","at":"0001-01-01T00:00:00"}',
        '{"kind":"said","text":5,"at":"2024-01-01T00:00:00"}',
        '{"kind":"said","text":"a dog","at":5}',
        '{"kind":"on-picture","turn":Infinity,"index":0,"opinion":"good"}',
        '{"kind":"prompted","turn":0,"query":[1],"prompts":[],"seeds":[]}',
        '{"kind":"prompted","turn":0,"query":["a"],"prompts":["b"],"seeds":[]}',
        '{"kind":"pictured","turn":0,"index":-1,"path":"a.png"}',
        '{"kind":["said"]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused_and_listed_nowhere(tmp_path: Path, line: str) -> None:
    """Found by fuzzing; each was a traceback, some when sessions were only listed."""
    path = written(tmp_path / "s.jsonl", RECORDS[:2])
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(DialogueUnreadable) as caught:
        resume(path)
    assert caught.value.message.isprintable() and sessions(tmp_path) == []


def test_a_beginning_of_no_age_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl", RECORDS[:2])
    path.write_bytes(path.read_bytes().replace(b"2024-10-15", b"0001-01-01", 1))
    assert sessions(tmp_path) == []


def test_no_such_session(tmp_path: Path) -> None:
    with pytest.raises(DialogueUnreadable, match="cannot be read"):
        resume(tmp_path / "none.jsonl")


def test_sessions_are_listed_latest_first_with_their_first_message(tmp_path: Path) -> None:
    later = datetime(2024, 11, 1)
    one = written(session_path(tmp_path, NOW))
    two = written(session_path(tmp_path, later), (Started(later),))
    (tmp_path / "notes.jsonl").write_text("not a session\n")
    (tmp_path / "empty.jsonl").touch()
    assert [(each.path, each.at, each.first_message) for each in sessions(tmp_path)] == [
        (two, later, ""),
        (one, NOW, "a dog 🐶 on the пляж"),
    ]
    assert sessions(tmp_path / "none") == []


def test_two_sessions_of_one_second_have_two_files(tmp_path: Path) -> None:
    one = written(session_path(tmp_path, NOW))
    assert session_path(tmp_path, NOW) != one
