"""Hits as people and scripts see them: a table, JSON, and small pictures in a terminal."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dar_tui.cli.output import json_path
from indexer.printable import stripped, visible
from indexer.search.hits import Hit
from indexer.search.strength import Strength

if TYPE_CHECKING:
    from PIL import Image

_MATCH = {Strength.STRONG: "strong", Strength.WEAK: "weak", Strength.NONE: "-"}
# A picture this high leaves room for two hits on a screen of 24 lines.
_MAX_LINES = 10
_INDENT = 4


def table(hits: Sequence[Hit], *, compared: bool = True, all_copies: bool = False) -> list[str]:
    """One entry a hit, below a line of titles: a line, and below it the place and the caption of a photo that has them,
    the words in or about it that were searched for, and with `all_copies` the paths of what is folded into it.

    The path comes last in its line and whole, so that it can be copied. `compared`: the hits have scores.
    """
    width = len(str(len(hits)))
    dates = [_date(hit) for hit in hits]
    dated = max([len("2019-07-04"), *map(len, dates)])
    lines = [f"{'#':>{width}}  {'score':>6}  {'match':<6}  {'date':<{dated}}  path"]
    for hit, date in zip(hits, dates, strict=True):
        folded = len(hit.similar) + len(hit.copies)
        word = "similar" if hit.similar else "copy" if folded == 1 else "copies"
        more = f"  (+{folded} {word})" if folded else ""
        place = f"\n{'':>{width}}  {stripped(hit.place)}" if hit.place else ""
        caption = f"\n{'':>{width}}  {stripped(hit.caption)}" if hit.caption else ""
        words = f'\n{"":>{width}}  "{stripped(hit.words)}"' if hit.words else ""
        # In the column of paths.
        others = (
            [f"\n{'':>{width}}  {'':{16 + dated}}  {visible(path)}" for path in others_of(hit)] if all_copies else []
        )
        score = f"{hit.score:.3f}" if compared else "-"
        lines.append(
            f"{hit.rank:>{width}}  {score:>6}  {_MATCH[hit.strength]:<6}  {date:<{dated}}  "
            f"{visible(hit.path)}{more}{place}{caption}{words}{''.join(others)}"
        )
    return lines


def _date(hit: Hit) -> str:
    if hit.taken_at is None:
        return "-"
    return f"{'about ' if hit.taken_unsure else ''}{hit.taken_at:%Y-%m-%d}"


def others_of(hit: Hit) -> list[Path]:
    """The other files that this hit stands for: its copies, and what is folded under it with copies of that."""
    return [*hit.copies, *(path for each in hit.similar for path in (each.path, *each.copies))]


def hit_json(hit: Hit) -> dict[str, Any]:
    """One hit with all that is known of it."""
    return {
        **json_path(hit.path),
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "strength": str(hit.strength),
        "taken_at": hit.taken_at.isoformat() if hit.taken_at else None,
        "taken_from": hit.taken_from,
        "taken_unsure": hit.taken_unsure,
        "latitude": hit.latitude,
        "longitude": hit.longitude,
        "place": {"city": hit.city, "region": hit.region, "country": hit.country},
        "camera": hit.camera,
        "width": hit.width,
        "height": hit.height,
        "format": hit.format,
        "caption": hit.caption,
        "words": hit.words,
        "written": {
            "title": hit.written.title,
            "description": hit.written.description,
            "keywords": list(hit.written.keywords),
            "people": list(hit.written.people),
            "rating": hit.written.rating,
        },
        "thumbnail": json_path(hit.thumbnail)["path"],
        "copies": [json_path(path) for path in hit.copies],
        "similar": [
            {
                **json_path(each.path),
                "score": round(each.score, 6),
                "copies": [json_path(path) for path in each.copies],
            }
            for each in hit.similar
        ],
    }


def none_match(hits: Sequence[Hit]) -> bool:
    """Whether no hit is better than what an unrelated text finds here."""
    return all(hit.strength is Strength.NONE for hit in hits)


class PreviewPainter:
    """Paints pictures as lines of text."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It warns where there is no terminal to query, which is never asked of it here.
            warnings.simplefilter("ignore")
            import term_image  # type: ignore[import-untyped]

            # At once: its questions to the terminal are answered into the user's next command line.
            term_image.disable_queries()
            from term_image.image import BlockImage  # type: ignore[import-untyped]

        self._block_image: type[Any] = BlockImage

    def paint(self, thumbnail: Path) -> list[str]:
        """The picture's lines, indented; none if its file cannot be read."""
        from PIL import Image

        from indexer.photos.formats import silence_decoders

        silence_decoders()
        try:
            with Image.open(thumbnail, formats=["JPEG"]) as picture:
                picture.load()
                return self._lines(picture.convert("RGB"))
        except (OSError, SyntaxError):
            return []

    def _lines(self, picture: Image.Image) -> list[str]:
        columns = max(shutil.get_terminal_size().columns - _INDENT, 4)
        # One cell is one pixel wide and two high.
        height = min(_MAX_LINES, max(1, picture.height * columns // picture.width // 2))
        painted = self._block_image(picture, height=height)
        if painted.rendered_width > columns:
            painted = self._block_image(picture, width=columns)
        return [" " * _INDENT + line for line in str(painted).split("\n")]
