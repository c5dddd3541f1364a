"""Contact sheets: pages that need nothing else."""

import re

import pytest
from PIL import Image

from graticule.errors import InputError, PictureError
from graticule.figures import contact_sheet
from graticule.figures.contact_sheet import write_contact_sheet
from graticule.output import to_dict
from graticule.prediction import NotSure, Prediction, Refusal


@pytest.fixture
def records(tmp_path):
    """An answer with a place, one without, one that is not sure, and a refusal."""
    for name in ("a.png", "b <i>.png"):
        Image.new("RGBA", (900, 600), "green").save(tmp_path / name)
    doubt = NotSure(0.4, 0.8, 25.0)
    path = str(tmp_path / "a.png")
    return [
        to_dict(Prediction(path, 43.1, 5.2, 310.0, (), "orbit")) | {"place": {"text": "Var, France & sea"}},
        to_dict(Prediction(str(tmp_path / "b <i>.png"), 43.1, 5.2, 310.0, (), "orbit")),
        to_dict(Prediction(str(tmp_path / "gone.png"), 43.1, 5.2, 4000.0, (), "orbit", not_sure=doubt)),
        to_dict(Refusal("\udce9.png", PictureError("\udce9.png: the file is empty."))),
    ]


def test_a_card_says_where_and_how_sure_or_why_not(records, tmp_path):
    [page] = write_contact_sheet(records, tmp_path / "sheet.html", total=4)
    html = page.read_text()
    cards = html.split("<figure ")[1:]
    assert "Var, France &amp; sea" in cards[0]
    assert "43.1° N, 5.2° E" in cards[0]
    assert "90 % within 310 km" in cards[0]
    assert "data:image/jpeg;base64," in cards[0]
    assert "b &lt;i&gt;.png" in cards[1]
    assert "Not sure" in cards[2]
    assert "can't be shown" in cards[2]
    assert "Refused" in cards[3]
    assert "the file is empty." in cards[3]
    assert html.count('class="dot') == 1, "two estimates of one colour, none for what is not sure"
    assert "<nav>" not in html
    assert "GeoNames, CC BY 4.0" in html, "whose names stand on the cards"


def test_what_was_fetched_is_not_fetched_again_to_be_shown(tmp_path):
    records = [to_dict(Prediction("https://a.example/b/c.png", 43.1, 5.2, 310.0, (), "orbit"))]
    [page] = write_contact_sheet(records, tmp_path / "sheet.html", total=1)
    assert "was fetched, and is not kept" in page.read_text()
    assert '<span class="name">c.png</span>' in page.read_text()


def test_it_loads_nothing_and_runs_nothing(records, tmp_path):
    [page] = write_contact_sheet(records, tmp_path / "sheet.html", total=4)
    html = page.read_text()
    assert "default-src 'none'" in html
    assert not re.search(r"<script|https?:|<link", html)


def test_many_pictures_are_several_pages_that_link_to_each_other(records, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "PAGE", 3)
    told = []
    pages = write_contact_sheet(
        records, tmp_path / "my sheet.html", total=4, progress=lambda *done: told.append(done)
    )
    assert [page.name for page in pages] == ["my sheet.html", "my sheet-2.html"]
    first, second = (page.read_text() for page in pages)
    assert (first.count("<figure "), second.count("<figure ")) == (3, 1)
    assert 'href="my%20sheet-2.html"' in first
    assert 'href="my%20sheet.html"' in second
    assert "Pictures 4 to 4 of 4." in second
    assert told == [(3, 4), (4, 4)]


def test_no_pictures_make_a_page_too(tmp_path):
    [page] = write_contact_sheet([], tmp_path / "sheet.html", total=0)
    assert "No pictures." in page.read_text()


def test_where_it_cannot_be_written(records, tmp_path):
    with pytest.raises(InputError, match="can't be written"):
        write_contact_sheet(records, tmp_path / "no" / "sheet.html", total=4)


def test_what_a_killed_run_left_of_a_page_is_swept(records, tmp_path):
    for name in (".sheet.html.12.tmp", ".notes.tmp"):
        (tmp_path / name).touch()
    write_contact_sheet(records, tmp_path / "sheet.html", total=4)
    assert not (tmp_path / ".sheet.html.12.tmp").exists()
    assert (tmp_path / ".notes.tmp").exists()


def test_a_card_of_what_is_not_known_names_no_place(records, tmp_path):
    records[1]["notice"] = "flatter than <all>"
    [page] = write_contact_sheet(records, tmp_path / "sheet.html", total=4)
    card = page.read_text().split("<figure ")[2]
    assert "Nothing known" in card
    assert "flatter than &lt;all&gt;" in card
    assert "43.1° N" not in card
