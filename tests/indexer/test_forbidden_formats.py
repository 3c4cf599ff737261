"""Formats with open advisories against the Pillow that dar is held to: refused by their bytes, never even loaded."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.errors import UnreadablePhoto
from indexer.photos.photo import open_photo

REPOSITORY = Path(__file__).parents[2]
BEGINNINGS = {
    "psd": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\1\0\0\0\1\0\10\0\3" + bytes(64),
    "fits": b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80) + bytes(2880),
    "fits.gz": gzip.compress(b"SIMPLE  =                    T".ljust(2880)),
    "pdf": b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Prev 0>>\nendobj\ntrailer<</Prev 9>>\nstartxref\n9\n%%EOF",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%BeginBinary: -1\n",
    "eps-dos": b"\xc5\xd0\xd3\xc6" + bytes(60),
    "bdf": b"STARTFONT 2.1\nFONT x\nSTARTCHAR a\nBBX 99999 99999 0 0\n",
    "pcf": b"\1fcp" + b"\1\0\0\0" + bytes(64),
    "truetype": b"\0\1\0\0\0\4" + bytes(64),
    "gd": b"\xff\xfe\0\20\0\20\1" + bytes(64),
    "mcidas": b"\0\0\0\0\0\0\0\4" + bytes(256),
    "dds": b"DDS " + b"\x7c\0\0\0" + bytes(120),
    "fli": b"\x80\0\0\0\x12\xaf" + bytes(128),
    "icns": b"icns\0\0\0\x10" + bytes(16),
    "ico": b"\0\0\1\0\1\0" + bytes(32),
    "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(64),
}
MODULES = (
    *("PsdImagePlugin", "FitsImagePlugin", "PdfParser", "PdfImagePlugin", "EpsImagePlugin", "BdfFontFile"),
    *("PcfFontFile", "FontFile", "ImageFont", "GdImageFile", "McIdasImagePlugin", "DdsImagePlugin", "FliImagePlugin"),
    *("IcnsImagePlugin", "IcoImagePlugin", "WmfImagePlugin", "TgaImagePlugin", "ImageShow"),
)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".jp2"])
@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_forbidden_format_under_a_photos_suffix_is_refused(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"holiday{suffix}"
    path.write_bytes(BEGINNINGS[kind])
    with pytest.raises(UnreadablePhoto, match="not an image"):
        open_photo(path, 64)


def test_their_modules_are_never_imported(tmp_path: Path) -> None:
    for kind, content in BEGINNINGS.items():
        (tmp_path / f"{kind}.jpg").write_bytes(content)
    script = f"""
import sys
from pathlib import Path
from indexer.errors import UnreadablePhoto
from indexer.photos.photo import open_photo
for path in Path(sys.argv[1]).iterdir():
    try:
        open_photo(path, 64)
        print("opened", path.name)
    except UnreadablePhoto:
        pass
print(*(name for name in {MODULES!r} if "PIL." + name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
