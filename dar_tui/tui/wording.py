"""Facts as short words: what is written under a picture, and how a search is reported. Pure; knows no widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.printable import stripped, visible

if TYPE_CHECKING:
    from indexer.search.hits import Hit

# Strength as signs and words, so that neither colours nor signs alone must carry it.
_MATCH = {"strong": "\u25cf strong", "weak": "\u25d0 weak", "none": "\u25cb no match"}
# A description may be an essay.
_LONGEST = 500
# Where a date comes from, if not from the camera.
_SOURCES = {
    "xmp": "from its XMP",
    "iptc": "from its IPTC",
    "takeout": "from Google Takeout",
    "sidecar": "from its XMP sidecar",
    "png": "from its PNG text",
    "name": "from the name",
    "folder": "from the folder's name",
    "modified": "when it was last saved",
}


def match(hit: Hit) -> str:
    """How strong the match is."""
    return _MATCH[str(hit.strength)]


def date(hit: Hit) -> str:
    """The day it was taken, or "no date"."""
    return f"{_about(hit)}{hit.taken_at:%Y-%m-%d}" if hit.taken_at else "no date"


def _about(hit: Hit) -> str:
    return "about " if hit.taken_unsure else ""


def name(hit: Hit) -> str:
    """Its file name, made safe to show."""
    return visible(hit.path.name)


def folder(hit: Hit) -> str:
    """The folder it is in, made safe to show: the end of a long path, which tells more than its beginning."""
    parts = hit.path.parent.parts
    return visible(f"\u2026/{'/'.join(parts[-2:])}" if len(parts) > 4 else hit.path.parent)


def folded(hit: Hit) -> int:
    """How many other files are shown as this one."""
    return len(hit.similar) + len(hit.copies)


def facts(hit: Hit) -> list[tuple[str, str]]:
    """(what, value) of everything known of a photo."""
    taken = f"{_about(hit)}{hit.taken_at:%Y-%m-%d %H:%M}" if hit.taken_at else "not known"
    source = _SOURCES.get(hit.taken_from, "") if hit.taken_at else ""
    lines = [("photo", visible(hit.path)), ("taken", f"{taken} ({source})" if source else taken)]
    written = hit.written
    rating = "rejected" if written.rating == -1 else "\u2605" * (written.rating or 0)
    texts = [
        ("words", hit.words),
        ("title", written.title),
        ("caption", hit.caption),
        ("text", written.description),
        ("people", ", ".join(written.people)),
        ("keywords", ", ".join(written.keywords)),
        ("rating", rating),
    ]
    lines += [(what, stripped(text, _LONGEST)) for what, text in texts if text]
    if hit.place:
        lines.append(("place", visible(hit.place)))
    if hit.latitude is not None and hit.longitude is not None:
        lines.append(("position" if hit.place else "place", f"{hit.latitude:.4f}, {hit.longitude:.4f}"))
    if hit.camera:
        lines.append(("camera", visible(hit.camera)))
    lines.append(("size", f"{hit.width} x {hit.height}, {hit.format}"))
    lines += [("copy", visible(path)) for path in hit.copies]
    lines += [("similar", visible(each.path)) for each in hit.similar]
    return lines


def seconds(value: float | None) -> str:
    """A duration as people say it; "" for none."""
    if value is None:
        return ""
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 60 else f"{value // 60:.0f} min {value % 60:.0f} s"


def count(number: int, noun: str) -> str:
    """ "1 photo", "2 photos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clean(text: str, limit: int = 100_000) -> str:
    """What a person typed or pasted: lines stay lines, everything else that is not for the eye becomes a space."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join(visible_line(line) for line in lines)[:limit]


def visible_line(line: str) -> str:
    """A line without control characters and those that reorder text; spaces stay."""
    return "".join(each if each == " " or stripped(each) else " " for each in line)


def shortened(text: str, limit: int) -> str:
    """The beginning of a long text, and how long it is."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()}\u2026 ({len(text):,} characters)"
