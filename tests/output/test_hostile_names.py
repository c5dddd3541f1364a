"""Names of files are data: whatever they say, no format takes them for markup, a script or a formula."""

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from defusedxml import ElementTree
from PIL import Image

from graticule.errors import PictureError
from graticule.figures.contact_sheet import write_contact_sheet
from graticule.metadata.xmp import EMPTY, NAMESPACES, insertion
from graticule.output import to_dict, to_jsonl, write_csv, write_geojson, write_kml
from graticule.prediction import Prediction, Refusal
from graticule.prediction.drawn import html

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(1)<!--.png',
    "'onmouseover='alert(1).png",
    "javascript:alert(1).png",
    "]]><x>&lt;&#60;%3C.png",
    "a\nb\r\tc.png",
    "\u202egnp.exe",
    '=HYPERLINK("a.example","b").png',
    "+1.png",
    "-1+cmd|' !A0.png",
    "@SUM(1).png",
    "\t=1.png",
    "\r=1.png",
    "a\r=1.png",
]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell may not begin with, as spreadsheets would work it out."""


def records(name):
    """An answer and a refusal of a picture so called, by a model so called."""
    answer = to_dict(Prediction(name, 43.1, 5.2, 310.0, (), name)) | {"place": PLACE}
    return [answer, to_dict(Refusal(name, PictureError(f"{name}: the file is empty.")))]


PLACE = {"text": "Var", "country_name": "France", "region": "Var", "town": "Draguignan", "town_km": 3.0}


class Page(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs


def check_page(text):
    """Markup of its own alone, which loads and runs nothing."""
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "embed", "form", "link", "base", "x"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for name, value in page.attributes:
        if name in ("src", "href", "action"):
            assert value.startswith(("data:image/", "map-")), value


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_shows_it_as_text(name, tmp_path):
    picture = tmp_path / name
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    [sheet] = write_contact_sheet(records(str(picture)), tmp_path / "sheet.html", total=2)
    check_page(sheet.read_text(encoding="utf-8"))
    check_page(html(Prediction(name, 43.1, 5.2, 310.0, (), name)))


@pytest.mark.parametrize("name", HOSTILE)
def test_kml_holds_it_as_text(name):
    stream = io.StringIO()
    write_kml(records(name), stream)
    root = ElementTree.fromstring(stream.getvalue().encode(), forbid_dtd=True)
    told = [element.text for element in root.iter("{http://www.opengis.net/kml/2.2}name")]
    assert len(told) == 3
    # XML reads every end of a line as \n.
    assert told[1] == name.replace("\r", "\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_xmp_holds_it_as_text(name):
    prefix, uri = next(iter(NAMESPACES.items()))
    packet = insertion(EMPTY, {f"{prefix}:Said": name}, "a.xmp").into(EMPTY)
    [said] = ElementTree.fromstring(packet, forbid_dtd=True).iter(f"{{{uri}}}Said")
    assert said.text == name.replace("\r", "\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_json_gives_it_back_as_it_is(name):
    stream = io.StringIO()
    write_geojson(records(name), stream)
    assert {shape["properties"]["path"] for shape in json.loads(stream.getvalue())["features"]} == {name}
    line = to_jsonl(records(name)[0])
    assert "\n" not in line.strip()
    assert json.loads(line)["path"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_a_table_is_a_formula(name):
    stream = io.StringIO(newline="")
    write_csv(records(name), stream)
    stream.seek(0)
    rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    for row in rows:
        for column, cell in row.items():
            assert not cell.startswith(FORMULA) or column in ("latitude", "longitude"), (column, cell)
        assert row["path"] == (f"./{name}" if name.startswith(FORMULA) else name), "names the same file still"


def test_numbers_of_a_table_stay_numbers():
    stream = io.StringIO(newline="")
    write_csv([to_dict(Prediction("a.png", -43.1, -5.2, 310.0, (), "orbit"))], stream)
    stream.seek(0)
    [row] = csv.DictReader(stream)
    assert (row["latitude"], row["longitude"]) == ("-43.1", "-5.2")
