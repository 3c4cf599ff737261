"""The table of keys: nothing twice in one place, everything documented, everything remappable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dar_tui.tui.keymap import KEYS, Hint, Place, Remapping, bindings, read_remapping, shown, textual_keymap
from dar_tui.tui.widgets.lines import Hints
from tests.tui.conftest import MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine

REPOSITORY = Path(__file__).parents[2]
# Places whose keys hold at the same time.
TOGETHER = [
    (Place.ANYWHERE, Place.PARTS, Place.GRID, Place.PHOTO, Place.ANSWER),
    (Place.ANYWHERE, Place.PARTS, Place.GRID, Place.IMAGINED, Place.ANSWER),
    (Place.ANYWHERE, Place.PARTS, Place.TALK),
]


def test_ids_are_unique() -> None:
    assert max(Counter(key.id for key in KEYS).values()) == 1


@pytest.mark.parametrize("places", TOGETHER)
def test_no_key_does_two_things_at_once(places: tuple[Place, ...]) -> None:
    keys = Counter(each for key in KEYS if key.place in places for each in key.keys.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


def test_letters_are_never_keys_while_writing() -> None:
    writing = [key for key in KEYS if key.place in (Place.ANYWHERE, Place.PARTS, Place.TALK)]
    assert [each for key in writing for each in key.keys.split(",") if len(each) == 1] == []


def test_every_key_is_in_the_manual() -> None:
    manual = (REPOSITORY / "docs" / "keys.md").read_text(encoding="utf-8")
    for key in KEYS:
        assert f"| `{key.id}` |" in manual, f"docs/keys.md lacks {key.id}"
        assert key.help in manual


def test_numbered_keys_are_one_binding_each() -> None:
    numbered = [each for each in bindings(Place.GRID) if each.action.startswith("screen.zoom(")]
    assert [(each.key, each.action) for each in numbered] == [(str(n), f"screen.zoom({n})") for n in range(1, 10)]


def test_a_file_of_keys_is_read_in_both_spellings(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('"photo.like" = "a,+"\n[photo]\nunlike = "z"\n')
    remapping = read_remapping(file)
    assert remapping == Remapping({"photo.like": "a,+", "photo.unlike": "z"})
    assert textual_keymap(remapping) == {"photo.like": "a,+", "photo.unlike": "z"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('"no.such" = "a"', "there is no key 'no.such'"),
        ('"photo.like" = 3', "photo.like must be keys"),
        ("= what", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_and_not_fatal(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(content)
    remapping = read_remapping(file)
    assert remapping.keys == {}
    assert says in remapping.problems[0]


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert read_remapping(tmp_path / "none.toml") == Remapping({})


def test_keys_are_shown_as_people_read_them() -> None:
    assert [shown(each) for each in ("ctrl+s", "left,h", "1,2,3,4,5,6,7,8,9", "escape")] == ["^s", "← h", "1-9", "Esc"]


async def test_a_remapped_key_works_and_its_old_one_no_longer(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "keys.toml").write_text('"photo.like" = "a"\n"answer.yes" = "j"\n')
    app = make_app(engine)
    async with app.run_test(size=(140, 40)) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "plus")
        assert app.chat.controller.liked == frozenset()
        await pilot.press("a")
        assert len(app.chat.controller.liked) == 1
        assert Hint("a", "like", "app.like(True)") in app.chat.query_one(Hints).keys
        await idle(pilot, app)


async def test_keys_that_make_no_sense_are_told_in_the_talk(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "keys.toml").write_text('"no.such" = "a"\n')
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("no.such" in line for line in app.chat.talk.remarks))
