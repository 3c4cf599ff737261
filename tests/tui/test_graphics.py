"""Pictures as cells: how they fit, what painters make of them, how the gallery keeps them, what a terminal can show."""

from __future__ import annotations

import base64
import io
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.segment import Segment
from textual.strip import Strip

from dar_tui.tui.graphics.blocks import HalfBlockPainter, SymbolPainter, block_painter
from dar_tui.tui.graphics.choice import Graphics, Means, Symbols, choose
from dar_tui.tui.graphics.gallery import CAPACITY, Gallery
from dar_tui.tui.graphics.kitty import KittyPainter
from dar_tui.tui.graphics.picture import (
    FileKind,
    NoPicture,
    Painted,
    PictureFile,
    PicturePainter,
    Request,
    Unpaintable,
    fitted,
    load,
)
from tests import photos

_SECONDS = 30.0


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [((300, 200), (24, 8), (24, 8)), ((200, 300), (24, 8), (11, 8)), ((1000, 10), (24, 8), (24, 1)),
     ((10, 1000), (24, 8), (1, 8)), ((1, 1), (24, 8), (16, 8))],
)  # fmt: skip
def test_pictures_keep_their_proportions(
    size: tuple[int, int], box: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fitted(*size, *box) == expected


def test_half_blocks_show_two_pixels_a_cell() -> None:
    painted = HalfBlockPainter().paint(photos.corners((240, 160)), 24, 8)
    assert (painted.columns, painted.lines) == (24, 8)
    assert [strip.cell_length for strip in painted.strips] == [24] * 8
    colours = [
        segment.style.color.get_truecolor() if segment.text == "▀" else segment.style.bgcolor.get_truecolor()  # type: ignore[union-attr]
        for segment in (next(iter(painted.strips[0])), list(painted.strips[0])[-1], next(iter(painted.strips[7])))
    ]
    assert [tuple(colour) for colour in colours] == [photos.RED, photos.GREEN, photos.BLUE]


@pytest.mark.parametrize(
    ("symbols", "rows", "expected"),
    [
        (Symbols.HALVES, ["##", ".."], "▀▄"),
        (Symbols.QUADRANTS, ["#.", ".#"], "▚▞"),
        (Symbols.QUADRANTS, ["##", "#."], "▛▗"),
        (Symbols.SEXTANTS, ["#.", ".#", "#."], "🬗🬤"),
    ],
)
def test_a_cell_is_divided_as_the_picture_is(symbols: Symbols, rows: list[str], expected: str) -> None:
    picture = Image.new("RGB", (2, len(rows)))
    picture.putdata([photos.RED if pixel == "#" else photos.BLUE for row in rows for pixel in row])
    painted = SymbolPainter(symbols).paint(picture.resize((240, 480), Image.Resampling.NEAREST), 1, 1)
    (segment,) = painted.strips[0]
    assert segment.text in expected
    assert segment.style is not None and segment.style.color is not None and segment.style.bgcolor is not None
    ink, ground = tuple(segment.style.color.get_truecolor()), tuple(segment.style.bgcolor.get_truecolor())
    wanted = (photos.RED, photos.BLUE) if segment.text == expected[0] else (photos.BLUE, photos.RED)
    assert max(abs(a - b) for a, b in zip(ink + ground, wanted[0] + wanted[1], strict=True)) < 40


def test_without_chafa_pictures_are_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chafa", None)
    assert isinstance(block_painter(Symbols.SEXTANTS), HalfBlockPainter)


@pytest.mark.parametrize("make_painter", [HalfBlockPainter, lambda: SymbolPainter(Symbols.SEXTANTS)])
@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (7, 5), (641, 479)])
@pytest.mark.parametrize("box", [(1, 1), (4, 2), (24, 8), (150, 40)])
def test_any_picture_fits_any_box(
    make_painter: Callable[[], PicturePainter], size: tuple[int, int], box: tuple[int, int]
) -> None:
    painted = make_painter().paint(Image.new("RGB", size, (9, 9, 9)), *box)
    assert 0 < painted.columns <= box[0] and 0 < painted.lines <= box[1]
    assert {strip.cell_length for strip in painted.strips} == {painted.columns}


def test_kitty_gets_the_pixels_before_the_cells_that_show_them() -> None:
    painted = KittyPainter().paint(photos.picture(3, (300, 200)), 20, 6)
    messages = re.findall(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\", painted.setup)
    assert "".join(f"\x1b_G{keys}{';' if data else ''}{data}\x1b\\" for keys, data in messages) == painted.setup
    number = re.match(r"i=(\d+)", messages[0][0]).group(1)  # type: ignore[union-attr]
    assert all(f"i={number}" in keys and "q=2" in keys for keys, _ in messages)
    assert all(len(data) <= 4096 for _, data in messages)
    png = base64.b64decode("".join(data for _, data in messages))
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert messages[-1][0] == f"a=p,i={number},c={painted.columns},r={painted.lines},U=1,q=2"
    assert painted.teardown == f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
    for strip in painted.strips:
        assert strip.cell_length == painted.columns == len(list(strip))
        colour = next(iter(strip)).style.color.get_truecolor()  # type: ignore[union-attr]
        assert (colour.red << 16 | colour.green << 8 | colour.blue) == int(number) & 0xFFFFFF


def test_a_strip_of_pixels_can_be_cut_between_any_two_cells() -> None:
    strip = KittyPainter().paint(photos.picture(3, (300, 200)), 20, 6).strips[0]
    for at in range(1, strip.cell_length):
        left, right = strip.divide([at, strip.cell_length])
        assert left.text + right.text == strip.text
        assert (left.text.count("\U0010eeee"), right.text.count("\U0010eeee")) == (at, strip.cell_length - at)


# Loading


def test_a_thumbnail_tells_whether_its_photo_is_gone(tmp_path: Path) -> None:
    photo, thumbnail = photos.jpeg(tmp_path / "a.jpg"), photos.jpeg(tmp_path / "t.jpg")
    source = PictureFile(thumbnail, FileKind.THUMBNAIL, photo)
    assert load(source, 100)[1] is False
    photo.unlink()
    assert load(source, 100)[1] is True


def test_a_missing_or_damaged_thumbnail_is_made_up_for_by_the_photo(tmp_path: Path) -> None:
    photo = photos.jpeg(tmp_path / "a.jpg", orientation=6, size=(120, 80))
    for thumbnail in (
        tmp_path / "none.jpg",
        photos.headless(tmp_path / "broken.jpg"),
        photos.text_file(tmp_path / "x"),
    ):
        image, gone = load(PictureFile(thumbnail, FileKind.THUMBNAIL, photo), 100)
        assert image.size == (80, 120) and not gone


@pytest.mark.parametrize("name", sorted(photos.HOSTILE))
def test_hostile_photos_are_a_few_words(tmp_path: Path, name: str) -> None:
    path = photos.HOSTILE[name](tmp_path / name)
    with pytest.raises(NoPicture) as raised:
        load(PictureFile(path, FileKind.PHOTO), 100)
    assert "\x1b" not in str(raised.value) and "\n" not in str(raised.value)


def test_photos_that_are_gone_say_so(tmp_path: Path) -> None:
    for kind in FileKind:
        with pytest.raises(NoPicture, match="gone"):
            load(PictureFile(tmp_path / "none.png", kind), 100)


# The gallery


class Slow:
    """A painter that waits for a hand signal, and counts."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.painted: list[int] = []

    def paint(self, image: Image.Image, columns: int, lines: int) -> Painted:
        self.go.wait(_SECONDS)
        self.painted.append(columns)
        return Painted((Strip([Segment("x")]),), columns, lines, setup=f"+{columns}", teardown=f"-{columns}")


def requests(folder: Path, count: int) -> list[Request]:
    path = photos.jpeg(folder / "a.jpg")
    return [Request(PictureFile(path, FileKind.THUMBNAIL, path), columns, 2) for columns in range(1, count + 1)]


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_no_longer_wanted_is_not_painted(tmp_path: Path) -> None:
    painter, ready = Slow(), list[Request]()
    gallery = Gallery(lambda: painter, ready.append)
    wanted = requests(tmp_path, 6)
    gallery.want("grid", wanted[:3])
    time.sleep(0.05)
    gallery.want("grid", wanted[4:])
    painter.go.set()
    wait_for(lambda: len(ready) == 3)
    assert painter.painted == [1, 5, 6]
    gallery.close()


def test_the_oldest_pictures_go_first_and_are_taken_down(tmp_path: Path) -> None:
    painter, ready, sent = Slow(), list[Request](), list[str]()
    painter.go.set()
    three = 3 * Painted((Strip([Segment("x")]),), 1, 1).weight
    gallery = Gallery(lambda: painter, ready.append, sent.append, capacity=three)
    wanted = requests(tmp_path, 5)
    for request in wanted[:3]:
        gallery.want("grid", [request])
        wait_for(lambda request=request: gallery.get(request) is not None)
    gallery.get(wanted[0])
    gallery.want("grid", wanted[3:])
    wait_for(lambda: len(ready) == 5)
    assert [request.columns for request in wanted if gallery.get(request)] == [1, 4, 5]
    assert sent == ["+1", "+2", "+3", "+4", "-2", "+5", "-3"]
    gallery.close()
    assert sent[-1] == "-1-4-5"


def test_large_pictures_are_few_and_give_way_to_each_other_first_seen_first(tmp_path: Path) -> None:
    gallery = Gallery(HalfBlockPainter, lambda request: None)
    path = photos.jpeg(tmp_path / "a.jpg", 5, (300, 200))
    seen = [Request(PictureFile(path, FileKind.THUMBNAIL, path), 200, 40, side) for side in range(8)]
    for request in seen:
        gallery.want("zoom", [request])
        wait_for(lambda request=request: gallery.get(request) is not None)
    kept = [request for request in seen if gallery.get(request)]
    assert kept == seen[-len(kept) :]
    assert 0 < len(kept) < len(seen)
    assert gallery.weight == sum(gallery.get(request).weight for request in kept) <= CAPACITY  # type: ignore[union-attr]
    gallery.forget()
    assert gallery.weight == 0
    gallery.close()


def test_what_is_on_screen_stays_whatever_it_weighs(tmp_path: Path) -> None:
    painter, ready = Slow(), list[Request]()
    painter.go.set()
    gallery = Gallery(lambda: painter, ready.append, capacity=1)
    wanted = requests(tmp_path, 6)
    gallery.want("grid", wanted[:3])
    gallery.want("strip", wanted[3:5])
    wait_for(lambda: len(ready) == 5)
    assert all(gallery.get(request) for request in wanted[:5])
    gallery.leave("strip")
    gallery.want("grid", [*wanted[1:3], wanted[5]])
    wait_for(lambda: len(ready) == 6)
    assert [request.columns for request in wanted if gallery.get(request)] == [2, 3, 6]
    gallery.close()


def test_a_painter_that_fails_leaves_words(tmp_path: Path) -> None:
    def broken() -> Slow:
        raise ImportError("no such library")

    ready: list[Request] = []
    gallery = Gallery(broken, ready.append)
    gallery.want("grid", requests(tmp_path, 1))
    wait_for(lambda: ready)
    assert gallery.get(ready[0]) == Unpaintable("cannot be shown")
    gallery.close()


# What a terminal can show

XTERM = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "VTE_VERSION": "7000"}
BLOCKS = Graphics(Means.BLOCKS, Means.BLOCKS)


@pytest.mark.parametrize(
    ("images", "environment", "expected"),
    [
        ("auto", XTERM, BLOCKS),
        ("auto", {**XTERM, "TERM": "xterm-kitty"}, BLOCKS),  # it does not answer, as kitty before 0.28
        ("auto", {**XTERM, "TERM": "xterm-kitty", "TMUX": "/tmp/x"}, BLOCKS),
        ("auto", {"TERM": "xterm-kitty", "VTE_VERSION": "1"}, BLOCKS),
        ("auto", {**XTERM, "NO_COLOR": "1"}, Graphics(Means.OFF, Means.OFF)),
        ("auto", {"TERM": "linux"}, BLOCKS),
        ("off", XTERM, Graphics(Means.OFF, Means.OFF)),
        ("blocks", {**XTERM, "NO_COLOR": "1"}, BLOCKS),
        ("kitty", XTERM, Graphics(Means.KITTY, Means.KITTY)),
        ("sixel", XTERM, Graphics(Means.BLOCKS, Means.SIXEL)),
    ],
)
def test_the_means_follow_the_terminal_and_the_users_word(
    images: str, environment: dict[str, str], expected: Graphics
) -> None:
    assert means(choose(images, environment, lambda question, until: "")) == means(expected)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (XTERM, Symbols.SEXTANTS),
        ({"TERM": "xterm-256color", "VTE_VERSION": "6003"}, Symbols.QUADRANTS),
        ({"TERM": "xterm-256color"}, Symbols.QUADRANTS),
        ({"TERM": "foot"}, Symbols.SEXTANTS),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, Symbols.SEXTANTS),
        ({"TERM": "xterm-256color", "WT_SESSION": "1"}, Symbols.SEXTANTS),
        ({**XTERM, "TERM": "tmux-256color"}, Symbols.QUADRANTS),
        ({"TERM": "linux"}, Symbols.HALVES),
        ({}, Symbols.QUADRANTS),
    ],
)
def test_symbols_are_those_the_terminal_shows_for_sure(environment: dict[str, str], expected: Symbols) -> None:
    assert choose("blocks", environment, None).symbols is expected


def means(graphics: Graphics) -> tuple[Means, Means]:
    return graphics.grid, graphics.zoom


def test_without_a_terminal_nothing_is_asked() -> None:
    assert means(choose("auto", {"TERM": "xterm"}, None)) == means(BLOCKS)


@pytest.mark.parametrize(
    ("term", "answer", "expected"),
    [
        ("xterm", "\x1b[?63;1;2;4;6c", Graphics(Means.BLOCKS, Means.SIXEL)),
        ("xterm", "\x1b[?64;1;2;6;14c", BLOCKS),
        ("xterm-kitty", "typed\x1b_Gi=4211;OK\x1b\\\x1b[?62;c", Graphics(Means.KITTY, Means.KITTY)),
        ("xterm-kitty", "\x1b[?62;c", BLOCKS),
    ],
)
def test_the_means_follow_what_the_terminal_answers(term: str, answer: str, expected: Graphics) -> None:
    environment = {"TERM": term, "COLORTERM": "truecolor"}
    chosen = choose("auto", environment, lambda question, until: answer if "\x1b[c" in question else "")
    assert means(chosen) == means(expected)
