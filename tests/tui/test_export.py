"""Pages: everything said and shown is in them, and nothing in them is markup that was not ours."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from dar_tui.language.turn import Question
from dar_tui.tui.conversation import Drawing, Exchange
from dar_tui.tui.export import SavedPage, save
from indexer.errors import DarError
from tests import photos
from tests.tui.fake_engine import exchange, make_hits

NASTY = '<script>alert("x")</script> *bold* [link](http://x) \x1b[31m'


@pytest.fixture
def record(tmp_path: Path) -> SavedPage:
    hits = make_hits(tmp_path / "photos", 15, pictures=3, names=["<b>&'.jpg"])
    drawn = photos.corners().convert("RGB")
    drawn.save(tmp_path / "drawn.png")
    said: Exchange = replace(
        exchange(NASTY, hits),
        query="a red square",
        drawings=(Drawing("prompt " + NASTY, 7, path=tmp_path / "drawn.png", done=True), Drawing("not drawn", 8)),
        question=Question("Is it <i>red</i>?"),
        notes=("a note",),
    )
    return SavedPage("dar, today", (said,), frozenset({1}), frozenset({2}))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_holds_words_and_pictures_and_no_strange_tags(record: SavedPage, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    save(record, page)
    text = page.read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(text)
    assert set(parser.tags) == {"meta", "title", "style", "h1", "h2", "h3", "p", "div", "figure", "img", "figcaption"}
    # Four of the twelve do not match.
    assert parser.tags.count("img") == 8 + 1
    assert "\x1b" not in text
    for part in (
        '<script>alert("x")</script>',
        "Imagined, not photos",
        "a note",
        "Asked: Is it <i>red</i>?",
        "1. ● strong, liked, 2010-01-01,",
        "2. ● strong, unliked",
    ):
        assert part in parser.text


def test_markdown_has_its_pictures_beside_it_and_no_strange_markup(record: SavedPage, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    save(record, page)
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"!\[(?:[^\]\\]|\\.)*\]\(([^)]*)\)", text)
    assert len(links) == 8 + 1
    assert all((tmp_path / link).is_file() for link in links)
    assert "<script>" not in text and "\x1b" not in text
    assert r"\*bold\* \[link\]" in text


@pytest.mark.parametrize("name", ["IMG_2041-edit (1).jpg", "a`b``c.jpg", "_under_ *star* [x](y).jpg"])
def test_markdown_keeps_paths_as_they_are(tmp_path: Path, name: str) -> None:
    hits = make_hits(tmp_path / "photos", 1, pictures=1, names=[name])
    save(SavedPage("2025-11-23 # of + words", (exchange("1. a red_square\n- not a list", hits),)), tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    tokens = MarkdownIt().parse(text)
    code = [part.content for each in tokens for part in each.children or () if part.type == "code_inline"]
    assert code == [str(hits[0].path)]
    assert text.startswith("# 2025-11-23 # of + words\n")
    assert not [each.type for each in tokens if each.type in ("ordered_list_open", "bullet_list_open")]


def test_pictures_that_are_gone_are_said_to_be(record: SavedPage, tmp_path: Path) -> None:
    (tmp_path / "drawn.png").unlink()
    for name in ("page.html", "page.md"):
        save(record, tmp_path / name)
        assert "picture is gone" in (tmp_path / name).read_text(encoding="utf-8")


def test_a_disk_that_refuses_is_an_error_with_a_hint(record: SavedPage, tmp_path: Path) -> None:
    with pytest.raises(DarError) as raised:
        save(record, tmp_path / "none" / "page.html")
    assert "cannot be written" in raised.value.message and "ctrl+s" in raised.value.hint
