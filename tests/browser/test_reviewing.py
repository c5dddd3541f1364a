"""Confirm, move, reject, undo, export; and a finished batch, whose decisions the server keeps."""

import csv
import io
import json

import pytest

from browser_help import all_answered, answered, choose, drawn, exported


def test_decisions_by_keys_and_their_export(page, pictures):
    names = [path.name for path in pictures[:4]]
    choose(page, *pictures[:4])
    all_answered(page, 4)
    page.keyboard.press("c")
    answered(page, names[1])  # the next one comes by itself
    page.keyboard.press("x")
    answered(page, names[2])
    drawn(page)
    page.keyboard.press("m")
    page.get_by_role("toolbar", name="Move the estimate").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".progress", has_text="3 reviewed").wait_for()
    lines = [json.loads(line) for line in exported(page).splitlines()]
    assert [line.get("review", {}).get("status") for line in lines] == [
        "confirmed",
        "rejected",
        "moved",
        None,
    ]
    moved = lines[2]
    assert moved["review"]["latitude"] > moved["latitude"]
    assert moved["review"]["longitude"] > moved["longitude"]
    assert not {"cells", "regions", "neighbours"} & set(lines[0])
    table = list(csv.DictReader(io.StringIO(exported(page, "CSV"))))
    assert float(table[2]["latitude"]) == moved["review"]["latitude"]
    assert table[1]["latitude"] == ""
    features = json.loads(exported(page, "GeoJSON"))["features"]
    assert features[1]["geometry"] is None
    assert features[0]["geometry"]["coordinates"] == [lines[0]["longitude"], lines[0]["latitude"]]


def test_undo_takes_back_the_last_decision_and_goes_there(page, pictures):
    choose(page, *pictures[:2])
    all_answered(page, 2)
    page.keyboard.press("c")
    page.locator(".frame[data-state=confirmed]").wait_for()
    page.keyboard.press("z")
    page.locator(".frame[data-state=confirmed]").wait_for(state="detached")
    assert page.locator(".frame[aria-selected=true]").get_attribute("aria-label").startswith(pictures[0].name)


def test_the_pin_can_be_dragged(page, pictures):
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    drawn(page)
    pin = page.locator(".pin")
    pin.wait_for()
    box = pin.bounding_box()
    page.mouse.move(box["x"] + 13, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 93, box["y"] + 12, steps=4)
    page.mouse.up()
    page.locator(".pin[data-state=moved]").wait_for()
    line = json.loads(exported(page))
    assert line["review"]["longitude"] > line["longitude"]


@pytest.fixture
def batch(pictures, tmp_path):
    """Results of three pictures, the second refused."""
    from graticule import Geolocator
    from graticule.output import to_jsonl

    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    results = tmp_path / "results.jsonl"
    answers = Geolocator.load("orbit").locate([pictures[0], broken, pictures[1]])
    results.write_text("".join(to_jsonl(answer) + "\n" for answer in answers))
    return results


def test_a_batch_is_opened_and_its_decisions_are_kept(serve, visit, batch):
    with serve("review", batch, "--port", 0) as running:
        page = visit(running.url)
        page.locator(".batch", has_text="results.jsonl").wait_for()
        assert page.get_by_role("group", name="Only in").count() == 0
        # What is least sure comes first, and what is refused is not to do.
        assert page.locator(".frame").count() == 2
        page.locator(".picture .estimate").wait_for()
        page.locator(".picture figure img").wait_for()
        with page.expect_response("**/v1/review/*") as keeping:
            page.keyboard.press("c")
        assert keeping.value.ok
        page.locator(".progress", has_text="1 reviewed").wait_for()
        page.get_by_role("textbox", name="Note").wait_for(state="detached")
        with page.expect_response("**/v1/review/*"):
            page.keyboard.press("x")
        page.get_by_role("combobox", name="Show").select_option("confirmed")
        page.locator(".frame[data-state=confirmed]").click()
        with page.expect_response("**/v1/review/*"):
            page.get_by_role("textbox", name="Note").fill("the quay in the foreground")
            page.get_by_role("textbox", name="Note").press("Enter")
        page.reload()
        page.locator(".progress", has_text="2 reviewed").wait_for()
        page.get_by_role("combobox", name="Show").select_option("all")
        reviews = [json.loads(line).get("review", {}) for line in exported(page).splitlines()]
    assert sorted(review.get("status", "") for review in reviews) == ["", "confirmed", "rejected"]
    assert [review["note"] for review in reviews if review.get("note")] == ["the quay in the foreground"]


def test_twenty_thousand_results_scroll(serve, visit, batch):
    first = json.loads(batch.read_text().splitlines()[0])
    many = ({**first, "path": f"{number}.png", "radius_km": float(number)} for number in range(20_000))
    batch.write_text("".join(json.dumps(line) + "\n" for line in many))
    with serve("review", batch, "--port", 0) as running:
        page = visit(running.url)
        page.locator(".progress", has_text="20,000 pictures").wait_for()
        assert page.locator(".frame").count() < 30
        assert page.locator(".frame[aria-selected=true]").get_attribute("aria-label").startswith("19999.png")
        page.get_by_role("listbox", name="Pictures").press("End")
        page.locator(".frame[aria-selected=true][aria-posinset='20000']").wait_for()
        assert page.locator("figcaption").inner_text() == "0.png"
