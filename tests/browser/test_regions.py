"""Answers obey a region that is named, typed or drawn, at once."""

import json
import re

import numpy as np

from browser_help import answered, choose, drawn, exported
from graticule.earth.regions import parse_region

LISTEN = """() => {
    const ask = window.fetch;
    window.asked = [];
    window.fetch = (path, options) => {
        if (options.body instanceof FormData) window.asked.push(...options.body.getAll("within"));
        return ask(path, options);
    };
}"""
"""Keeps the regions that are sent: Playwright shows no body that holds files."""


def test_a_country_by_keyboard_alone(page, pictures):
    choose(page, *pictures[:3])
    answered(page, pictures[0].name)
    field = page.get_by_label("Country, box or circle")
    field.fill("chil")
    page.get_by_role("option", name="Chile").wait_for()
    field.press("ArrowDown")
    with page.expect_response("**/v1/locate"):
        field.press("Enter")
    page.locator(".progress", has_text=re.compile("^ *3 pictures$")).wait_for()
    page.locator(".estimate", has_text="of all probability lies in it").wait_for()
    places = [json.loads(line) for line in exported(page).splitlines()]
    points = np.array([[place["latitude"], place["longitude"]] for place in places])
    assert parse_region("Chile").contains(points).all()
    page.get_by_role("button", name="Remove Chile").click()
    page.locator(".estimate").get_by_text("of all probability lies in it").wait_for(state="detached")


def test_a_typed_circle_and_words_that_name_nothing(page, pictures):
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    field = page.get_by_label("Country, box or circle")
    field.fill("Atlantis")
    field.press("Enter")
    assert "Atlantis" in page.locator(".problem").inner_text()
    field.fill("300 km around 48.86,2.35")
    with page.expect_response("**/v1/locate"):
        field.press("Enter")
    page.locator(".pin[aria-label*='° N, ']").wait_for()
    page.locator(".estimate", has_text="of all probability lies in it").wait_for()
    place = json.loads(exported(page))
    assert parse_region("300 km around 48.86,2.35").contains([[place["latitude"], place["longitude"]]]).all()


def test_a_region_drawn_on_the_globe(page, pictures):
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    drawn(page)
    page.evaluate(LISTEN)
    page.get_by_role("button", name="Draw").click()
    for corner in ((180, 200), (420, 200), (420, 520), (180, 520)):
        page.mouse.click(*corner)
    page.get_by_role("button", name="Remove corner").click()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove Drawn region").wait_for()
    page.locator(".estimate", has_text="of all probability lies in it").wait_for()
    ring = np.array(json.loads(page.evaluate("window.asked[0]"))["coordinates"][0])
    assert ring.shape == (4, 2)
    place = json.loads(exported(page))
    assert ring[:, 0].min() <= place["longitude"] <= ring[:, 0].max()
    assert ring[:, 1].min() <= place["latitude"] <= ring[:, 1].max()


def test_drawing_can_be_given_up(page):
    drawn(page)
    page.get_by_role("button", name="Draw").click()
    page.mouse.click(300, 300)
    page.keyboard.press("Escape")
    page.get_by_role("toolbar", name="Draw a region").wait_for(state="detached")
    assert page.locator(".chip").count() == 0
