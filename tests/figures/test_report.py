"""The page of an evaluation: whole in itself, and safe to open."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from graticule.errors import InputError, PictureError
from graticule.evaluation.leakage import Nearness
from graticule.evaluation.report import Settings, compare_models, find_pictures
from graticule.figures.charts import Axis, Line, chart
from graticule.figures.error_map import error_map
from graticule.figures.report import report_page

VOID = {"meta", "img", "br", "path", "polyline"}


class Reader(HTMLParser):
    """Tags that were opened, and whether each was closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID or (tag == "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def judged(clear_model, views_folder):
    pictures = find_pictures(images=views_folder, truth=views_folder / "truth.csv")
    settings = Settings(audit=Nearness(cosine=0.5, km=1.0))
    return compare_models([clear_model], pictures, settings=settings)


@pytest.fixture(scope="module")
def page(judged):
    return report_page(judged)


def test_it_is_well_formed_and_says_what_was_found(page, judged):
    reader = Reader(page)
    assert reader.open == []
    assert reader.tags.count("figure") == 4 + 24, "charts, and the contact sheet"
    [report] = judged.reports
    score = report.summaries[report.best].geoscore.value
    for words in (
        "haversine",
        "within means &lt;",
        f"{score:,.0f}",
        "1-NN",
        "Worst misses",
        "knowing nothing",
    ):
        assert words in page, words


def test_it_loads_nothing_and_runs_nothing(page):
    reader = Reader(page)
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name == "style"]
    sources = [value for name, value in reader.attributes if name in ("src", "href")]
    assert sources
    assert all(value.startswith("data:image/jpeg;base64,") for value in sources)
    assert "http" not in re.sub("http-equiv", "", page)


def test_its_policy_allows_its_own_style_and_no_other(page):
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert "prefers-color-scheme: dark" in style


def test_names_cannot_become_markup(judged):
    [report] = judged.reports
    nasty = "<script>alert('x')</script>&"
    worst = [replace(report.worst[0], id=nasty, true_country=nasty), *report.worst[1:]]
    page = report_page(replace(judged, reports=[replace(report, model=nasty, pictures=nasty, worst=worst)]))
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;") >= 4


@pytest.mark.parametrize(
    "error", [PictureError("gone"), InputError("can't be read now (Input/output error)")]
)
def test_a_picture_that_is_gone_leaves_a_word(judged, error):
    class Gone:
        def image(self, row):
            raise error

    page = report_page(replace(judged, pictures=Gone()))
    assert "<img" not in page
    assert "can't be read any more" in page


def test_several_models_share_the_charts(judged, clear_model, tiny_model):
    both = compare_models([clear_model, tiny_model], judged.pictures)
    page = report_page(both)
    assert Reader(page).open == []
    assert "Models on the same pictures" in page
    assert page.count('class="chart"') == 4
    assert "raw, circle" not in page
    assert page.count('class="map"') == 2
    assert page.count("<img") == 24


def test_points_lie_where_the_axes_say():
    drawn = chart(
        "A < B",
        Axis("km", (1, 10, 100), log=True),
        Axis("%", (0, 50, 100)),
        [Line("one", [1, 10, 1000], [0, 50, 200]), Line("two", [1], [100], 7, dashed=True)],
        ideal=True,
    )
    points = [
        tuple(map(float, pair.split(","))) for pair in re.findall(r'points="([^"]*)"', drawn)[0].split()
    ]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11), "what lies beyond the end is drawn at the end"
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.11)
    assert 'class="line s1 dashed"' in drawn
    assert 'class="ideal"' in drawn
    assert "A &lt; B" in drawn


def test_dots_lie_at_their_places_in_the_colour_of_their_miss():
    drawn = error_map(np.array([[84.0, -180.0], [-60.0, 180.0], [12.0, 0.0]]), np.array([1.0, 25.0, 9000.0]))
    assert '<path class="dot e0" d="M0 0h0"/>' in drawn
    assert '<path class="dot e1" d="M1440 576h0"/>' in drawn
    assert '<path class="dot e4" d="M720 288h0"/>' in drawn
    assert 'class="way"' not in drawn


def test_a_way_across_the_antimeridian_is_broken_there():
    drawn = error_map(
        np.zeros((1, 2)), np.zeros(1), ways=[((0.0, 170.0), (0.0, -170.0)), ((5.0, 5.0), (5.0, 5.0))]
    )
    across, still = re.findall(r'<path class="way" d="([^"]*)"/>', drawn)
    assert across.count("M") == 2
    assert still.count("M") == 1


def test_many_pictures_are_thinned(monkeypatch):
    monkeypatch.setattr("graticule.figures.error_map._MOST", 10)
    assert error_map(np.zeros((25, 2)), np.zeros(25)).count("h0") == 9
