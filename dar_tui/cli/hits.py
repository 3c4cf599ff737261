"""Hits as a table for people and as JSON for scripts.

The JSON is documented in docs/json.md and stable: keys are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dar_tui.cli.output import json_path
from indexer.printable import stripped, visible
from indexer.search.hits import Hit
from indexer.search.strength import Strength

_MATCH = {Strength.STRONG: "strong", Strength.WEAK: "weak", Strength.NONE: "-"}


def table(hits: Sequence[Hit]) -> list[str]:
    """One entry a hit, below a line of titles: a line, and below it the place and the caption of a photo that has them.

    The path comes last in its line and whole, so that it can be copied.
    """
    width = len(str(len(hits)))
    lines = [f"{'#':>{width}}  {'score':>6}  {'match':<6}  {'date':<10}  path"]
    for hit in hits:
        date = f"{hit.taken_at:%Y-%m-%d}" if hit.taken_at else "-"
        folded = len(hit.similar) + len(hit.copies)
        more = f"  (+{folded} similar)" if folded else ""
        place = f"\n{'':>{width}}  {stripped(hit.place)}" if hit.place else ""
        caption = f"\n{'':>{width}}  {stripped(hit.caption)}" if hit.caption else ""
        lines.append(
            f"{hit.rank:>{width}}  {hit.score:>6.3f}  {_MATCH[hit.strength]:<6}  {date:<10}  {visible(hit.path)}{more}"
            f"{place}{caption}"
        )
    return lines


def hit_json(hit: Hit) -> dict[str, Any]:
    """One hit with all that is known of it."""
    return {
        **json_path(hit.path),
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "strength": str(hit.strength),
        "taken_at": hit.taken_at.isoformat() if hit.taken_at else None,
        "taken_from": hit.taken_from,
        "latitude": hit.latitude,
        "longitude": hit.longitude,
        "place": {"city": hit.city, "region": hit.region, "country": hit.country},
        "camera": hit.camera,
        "width": hit.width,
        "height": hit.height,
        "format": hit.format,
        "caption": hit.caption,
        "thumbnail": json_path(hit.thumbnail)["path"],
        "copies": [json_path(path) for path in hit.copies],
        "similar": [{**json_path(each.path), "score": round(each.score, 6)} for each in hit.similar],
    }


def none_match(hits: Sequence[Hit]) -> bool:
    """Whether no hit is better than what an unrelated text finds here."""
    return all(hit.strength is Strength.NONE for hit in hits)
