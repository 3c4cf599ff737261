"""The catalog's captions: what a captioner said of each image. Knows the table; does not know what writes captions.

One caption an image, by whichever captioner was asked last; "" where that one had nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable

from indexer.store.catalog import Catalog, check, in_parts
from indexer.store.catalog_schema import WITH_CAPTIONS
from indexer.store.catalog_writer import CatalogWriter


def captions_of(catalog: Catalog, image_ids: Iterable[int]) -> dict[int, str]:
    """The captions of these images; images without one, or with an empty one, are left out."""
    if catalog.schema_version() < WITH_CAPTIONS:
        return {}
    captions: dict[int, str] = {}
    for part, marks in in_parts(list(image_ids)):
        for image_id, text, intact in catalog.connection.execute(
            f"SELECT image_id, text, {catalog.intact('captions')} FROM captions"
            f" WHERE text <> '' AND image_id IN ({marks})",
            part,
        ):
            check(intact, "captions")
            captions[image_id] = text
    return captions


def uncaptioned(catalog: Catalog, captioner: str) -> list[int]:
    """The images that have a file and no caption by this captioner, oldest first."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT image_id FROM files WHERE NOT EXISTS"
        " (SELECT 1 FROM captions AS c WHERE c.image_id = files.image_id AND c.captioner = ?) ORDER BY image_id",
        (captioner,),
    )
    return [int(row[0]) for row in rows]


def put_captions(catalog: CatalogWriter, captioner: str, captions: Iterable[tuple[int, str]]) -> None:
    """Keeps (image id, text) as this captioner's, in the place of any other's, inside the caller's transaction."""
    catalog.connection.executemany(
        "INSERT OR REPLACE INTO captions (image_id, captioner, text) VALUES (?, ?, ?)",
        [(image_id, captioner, text) for image_id, text in captions],
    )
