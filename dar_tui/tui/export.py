"""A session as a page to keep or send: HTML with its pictures in it, or Markdown with a folder of pictures beside it.

Thumbnails and imagined pictures go into the page, photos themselves do not. Knows exchanges and files, no widgets.
"""

from __future__ import annotations

import base64
import html
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_from_bytes

from dar_tui.tui import wording
from dar_tui.tui.conversation import KEPT_HITS, Exchange
from indexer.errors import DarError
from indexer.files import write_atomically
from indexer.printable import stripped, visible

if TYPE_CHECKING:
    from indexer.search.hits import Hit

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}"
    ".row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:14rem}img{width:100%;border-radius:4px}"
    "figcaption{font-size:.8rem;overflow-wrap:anywhere;opacity:.8}.imagined img{outline:2px dashed #888}"
)
# What Markdown would take for markup: some characters anywhere (an underscore within a word is none), some only where
# a line begins with them. More would make dates and names unreadable in the file itself.
_MARKUP = re.compile(r"([\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_]))")
_LINE_START = re.compile(r"^(\s*(?:\d+(?=[.)])|(?=[#+=-])))", re.MULTILINE)


@dataclass(frozen=True)
class SavedPage:
    """A session to be written down."""

    title: str
    exchanges: Sequence[Exchange]
    liked: frozenset[int] = frozenset()
    unliked: frozenset[int] = frozenset()


def save(record: SavedPage, path: Path) -> None:
    """Writes the page; its kind is its suffix, .html or .md. Raises DarError where the disk refuses."""
    try:
        if path.suffix.lower() == ".html":
            write_atomically(path, _html(record).encode("utf-8", "replace"))
        else:
            folder = path.with_name(f"{path.stem}-pictures")
            folder.mkdir(exist_ok=True)
            write_atomically(path, _markdown(record, folder).encode("utf-8", "replace"))
    except OSError as error:
        raise DarError(
            f"{visible(path)} cannot be written: {error.strerror or error}.", "Save it in another place with ctrl+s."
        ) from error


def save_sheet(hits: Sequence[Hit], path: Path) -> None:
    """Writes a contact sheet: a page with each photo's thumbnail, name, date and place, linked to its file.

    Raises DarError where the disk refuses.
    """
    title = html.escape(wording.count(len(hits), "photo"))
    parts = [f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"]
    parts.append("<div class='row photos'>")
    for hit in hits:
        words = ", ".join(each for each in (visible(hit.path.name), wording.date(hit), visible(hit.place)) if each)
        link = html.escape(f"file://{quote_from_bytes(os.fsencode(hit.path.absolute()))}", quote=True)
        picture = _embedded(_Figure(hit.thumbnail, words))
        parts.append(f"<figure><a href='{link}'>{picture}</a><figcaption>{html.escape(words)}</figcaption></figure>")
    parts.append("</div>")
    try:
        write_atomically(path, "\n".join(parts).encode("utf-8", "replace"))
    except OSError as error:
        raise DarError(f"{visible(path)} cannot be written: {error.strerror or error}.", "Choose another.") from error


def _html(record: SavedPage) -> str:
    title = html.escape(record.title)
    parts = [f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"]
    for exchange in record.exchanges:
        parts.append(f"<h2>{html.escape(wording.clean(exchange.message))}</h2>")
        if exchange.query:
            parts.append(f"<p>Searched for: {html.escape(stripped(exchange.query, 2000))}</p>")
        parts += _html_row("Imagined, not photos", "imagined", _imagined(exchange))
        parts += _html_row("Photos", "photos", _photos(exchange, record))
        parts += [f"<p>{html.escape(line)}</p>" for line in _lines(exchange)]
    return "\n".join(parts) + "\n"


def _html_row(title: str, kind: str, figures: Iterator[_Figure]) -> Iterator[str]:
    shown = [
        f"<figure>{_embedded(figure)}<figcaption>{html.escape(figure.words)}</figcaption></figure>"
        for figure in figures
    ]
    if shown:
        yield f"<h3>{title}</h3><div class='row {kind}'>{''.join(shown)}</div>"


def _embedded(figure: _Figure) -> str:
    try:
        data = base64.b64encode(figure.path.read_bytes()).decode("ascii")
    except OSError:
        return "<em>picture is gone</em>"
    kind = "png" if figure.path.suffix == ".png" else "jpeg"
    return f"<img alt='{html.escape(figure.words, quote=True)}' src='data:image/{kind};base64,{data}'>"


def _markdown(record: SavedPage, folder: Path) -> str:
    lines = [f"# {_plain(record.title)}", ""]
    for number, exchange in enumerate(record.exchanges, 1):
        lines += [f"## {_plain(stripped(exchange.message, 2000))}", ""]
        if exchange.query:
            lines += [f"Searched for: {_plain(stripped(exchange.query, 2000))}", ""]
        lines += _markdown_row("Imagined, not photos", _imagined(exchange), folder, f"turn-{number}-imagined")
        lines += _markdown_row("Photos", _photos(exchange, record), folder, f"turn-{number}-photo")
        for line in _lines(exchange):
            lines += [_plain(line), ""]
    return "\n".join(lines)


def _markdown_row(title: str, figures: Iterator[_Figure], folder: Path, name: str) -> list[str]:
    lines: list[str] = []
    for number, figure in enumerate(figures, 1):
        copy = folder / f"{name}-{number}{figure.path.suffix}"
        caption = _plain(figure.caption)
        source = f", {_code(figure.photo)}" if figure.photo else ""
        try:
            shutil.copyfile(figure.path, copy)
            lines += [f"![{caption}]({quote(folder.name)}/{quote(copy.name)})  ", f"{caption}{source}", ""]
        except FileNotFoundError:
            lines += [f"{caption}{source} (picture is gone)", ""]
    return [f"### {title}", "", *lines] if lines else []


@dataclass(frozen=True)
class _Figure:
    """A picture's file, what is written under it, and the photo it is the thumbnail of, "" for none."""

    path: Path
    caption: str
    photo: str = ""

    @property
    def words(self) -> str:
        """All of it as plain text."""
        return f"{self.caption}, {self.photo}" if self.photo else self.caption


def _imagined(exchange: Exchange) -> Iterator[_Figure]:
    for number, drawing in enumerate(exchange.drawings, 1):
        if drawing.path is not None:
            yield _Figure(drawing.path, f"imagined {number}: {stripped(drawing.prompt, 500)} (seed {drawing.seed})")


def _photos(exchange: Exchange, record: SavedPage) -> Iterator[_Figure]:
    """Those that match; where none does, the best there are."""
    first = exchange.hits[:KEPT_HITS]
    matching = [hit for hit in first if str(hit.strength) != "none" or hit.image_id in record.liked]
    for hit in matching or first:
        yield _Figure(hit.thumbnail, _caption(hit, record), visible(hit.path))


def _caption(hit: Hit, record: SavedPage) -> str:
    opinion = ", liked" if hit.image_id in record.liked else ", unliked" if hit.image_id in record.unliked else ""
    return f"{hit.rank}. {wording.match(hit)}{opinion}, {wording.date(hit)}"


def _lines(exchange: Exchange) -> list[str]:
    question = [f"Asked: {exchange.question.text}"] if exchange.question else []
    return [stripped(line, 500) for line in (*exchange.notes, *(each.line for each in exchange.failures), *question)]


def _plain(text: str) -> str:
    return _LINE_START.sub(r"\1\\", _MARKUP.sub(r"\\\1", text))


def _code(text: str) -> str:
    """As code, in which nothing is markup and a path can be copied as it is."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    gap = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{gap}{text}{gap}{fence}"
