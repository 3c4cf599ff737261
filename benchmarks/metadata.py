"""Whether dar reads dates and places from photos as ExifTool does.

    python -m benchmarks.metadata [FOLDER]

reads every photo and .xmp file of FOLDER (without one: the photos of `tests/metadata_photos.py`) with both. Of the tags
that ExifTool finds the expected date is that of the first in dar's order of trust (docs/design.md, Dates). Needs
`exiftool`; ends with 1 where they differ.

Where dar differs on purpose, and what is compared allows for it: a second 60 is the next minute (ExifTool leaves it);
dates that cannot be (year 0, 30 February, hour 25) are none, and a month or day of 00 is unknown, where ExifTool shows
or wraps them; a position of 0, 0 is none; of a clock that was never set the next tag is believed; a date without a time
gets that of a lesser tag of the same day.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer.errors import UnreadablePhoto
from indexer.photos.decoders import Decoders
from indexer.photos.file_facts import read_file_facts
from indexer.photos.photo import read_own_facts
from indexer.photos.scan import scan
from tests.metadata_photos import make

# ExifTool's names of what dar reads, most trusted first, and the source dar then names.
_TAGS = (
    *(("ExifIFD:DateTimeOriginal", "exif"), ("IFD0:DateTimeOriginal", "exif")),
    *(("ExifIFD:CreateDate", "exif"), ("IFD0:CreateDate", "exif")),
    *(
        ("XMP-exif:DateTimeOriginal", "xmp"),
        ("XMP-photoshop:DateCreated", "xmp"),
        ("XMP-exif:DateTimeDigitized", "xmp"),
    ),
    *(("IPTC:DateCreated", "iptc"), ("PNG:CreationTime", "png")),
    *(("XMP-xmp:CreateDate", "modified"), ("IFD0:ModifyDate", "modified"), ("XMP-xmp:ModifyDate", "modified")),
)
_SIDECAR_TAGS = (
    *("XMP-exif:DateTimeOriginal", "XMP-photoshop:DateCreated", "XMP-exif:DateTimeDigitized", "XMP-xmp:CreateDate"),
)
# Written out again rather than asked of dar: what a clock says that was never set.
_NEVER_SET = re.compile(
    r"(19(04|70|80)-01-01|1969-12-31|1979-1[12]-3[01])|2002-12-08T12:00:00|(199[89]|20[01]\d|2020)-01-01T(00|12):00:00"
    r"|1999-(12-31|11-30)T00:00:00"
)


def tags_of(folder: Path) -> Mapping[Path, Mapping[str, Any]]:
    """What ExifTool finds in each file below the folder: numbers as numbers, dates as they are written."""
    output = subprocess.run(
        ["exiftool", "-json", "-n", "-a", "-G1", "-r", "-ext", "*", str(folder)],
        capture_output=True,
        check=False,  # 1 where one file is none that it knows
    ).stdout
    return {Path(entry["SourceFile"]): entry for entry in json.loads(output or b"[]")}


def iso(written: object) -> str:
    """A date as ExifTool gives it, which is as it was written, as the beginning of an ISO date; "" for none."""
    text = re.sub(r"(?<=[:/-]) (?=\d)|(?<= ) (?=\d)", "0", str(written))
    for length, pattern in (
        (19, "%Y:%m:%d %H:%M:%S"),
        (16, "%Y:%m:%d %H:%M"),
        (10, "%Y:%m:%d"),
        (7, "%Y:%m"),
        (4, "%Y"),
    ):
        start = re.sub(r"[-/](?=\d\d)", ":", text[:10]) + text[10:length].replace("T", " ")
        later = timedelta()
        if length >= 16 and start[11:13] == "24":
            start, later = f"{start[:11]}00{start[13:]}", timedelta(days=1)
        if length == 19 and start[17:] == "60":
            start, later = f"{start[:17]}59", later + timedelta(seconds=1)
        try:
            moment = datetime.strptime(start[:length], pattern) + later
        except ValueError:
            continue
        return moment.isoformat()[: 19 if length == 16 else length] if moment.year >= 1826 else ""
    try:
        return datetime.strptime(text[:25], "%a, %d %b %Y %H:%M:%S").isoformat()
    except ValueError:
        return ""


def expected_date(tags: Mapping[str, Any]) -> tuple[str, str]:
    """(the beginning of the date, its source) that dar should find by what ExifTool found; ("", "") for none."""
    found: list[tuple[str, str]] = []
    for tag, source in _TAGS:
        text = str(tags.get(tag, ""))
        if tag == "IPTC:DateCreated" and "IPTC:TimeCreated" in tags:
            text += f" {tags['IPTC:TimeCreated']}"
        if date := iso(text):
            found.append((date, source))
    return next((each for each in found if not _NEVER_SET.match(each[0])), found[0] if found else ("", ""))


def expected_place(tags: Mapping[str, Any]) -> tuple[float, float] | None:
    """(latitude, longitude) by ExifTool: as it computes them, else the numbers alone."""
    for part in ("GPS", "XMP-exif"):
        place = []
        for name, negative in (("GPSLatitude", "S"), ("GPSLongitude", "W")):
            value = tags.get(f"{part}:{name}")
            if isinstance(value, int | float):
                place.append(-value if str(tags.get(f"{part}:{name}Ref", "")).startswith(negative) else float(value))
        if len(place) == 2 and place != [0, 0]:
            return place[0], place[1]
    return None


def differences(folder: Path, counts: Counter[str]) -> Iterator[str]:
    """One line for each date and place that dar reads otherwise; counts what was compared."""
    tags = tags_of(folder)
    files = [(folder / os.fsdecode(file.relpath)) for file in scan(folder).files]
    with Decoders() as decoders:
        for path in files:
            try:
                facts = read_own_facts(path, decoders)
            except UnreadablePhoto as error:
                counts["unreadable by dar"] += 1
                yield f"{path}: {error.message}"
                continue
            counts["photos"] += 1
            found = tags.get(path, {})
            date, source = expected_date(found)
            counts[f"dates from {source or 'nothing'}"] += 1
            text = facts.taken.text if facts.taken else ""
            # Where the date is not whole, a lesser one may have given the rest.
            if facts.taken_from != source or not text.startswith(date) or bool(text) != bool(date):
                yield f"{path}: ExifTool has {date or 'no date'} ({source}), dar {text or 'none'} ({facts.taken_from})"
            place, mine = expected_place(found), (facts.latitude, facts.longitude)
            counts["places"] += place is not None
            if (place is None) != (mine[0] is None) or not _near(place, mine):
                yield f"{path}: ExifTool has the place {place}, dar {mine}"
    for path in sorted(folder.rglob("*.xmp")):
        counts["XMP sidecars"] += 1
        dates = [date for tag in _SIDECAR_TAGS if (date := iso(tags.get(path, {}).get(tag, "")))]
        taken = read_file_facts(os.fsencode(path.parent / "x.jpg"), [os.fsencode(path)]).taken
        if dates and (taken is None or not taken.text.startswith(dates[0])):
            yield f"{path}: ExifTool has {dates[0]}, dar {taken}"


def _near(place: tuple[float, float] | None, mine: tuple[float | None, float | None]) -> bool:
    return place is None or all(b is not None and abs(a - b) < 1e-5 for a, b in zip(place, mine, strict=True))


def main(folder: Annotated[Path | None, typer.Argument(help="A folder of photos.")] = None) -> None:
    """Prints what was compared, and each difference."""
    if shutil.which("exiftool") is None:
        print("exiftool is not installed: nothing to compare with.")
        return
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        if folder is None:
            make(Path(made))
        lines = list(differences(folder or Path(made), counts))
    for what, count in sorted(counts.items()):
        print(f"{count:>6}  {what}")
    print(f"{len(lines):>6}  differences")
    print(*lines, sep="\n")
    raise typer.Exit(int(bool(lines)))


if __name__ == "__main__":
    typer.run(main)
