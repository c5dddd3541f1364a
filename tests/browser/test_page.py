"""The page for everybody: by keyboard, for screen readers, on a phone, in light and in dark."""

from pathlib import Path

import pytest

from browser_help import answered, choose, drawn

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


def test_it_says_what_it_is_and_what_the_model_knows(page):
    assert "Where was this picture taken" in page.get_by_role("heading", level=1).inner_text()
    page.locator(".model", has_text="orbit").wait_for()
    words = page.locator(".empty").inner_text()
    assert "Nothing leaves this computer" in words
    assert "a lead to be checked, not evidence" in words
    drawn(page)


def test_the_whole_of_it_by_keyboard(page, pictures):
    page.locator(".model").wait_for()
    focus_by_tab(page, "Choose pictures")
    with page.expect_file_chooser() as choosing:
        page.keyboard.press("Space")
    choosing.value.set_files([str(path) for path in pictures[:3]])
    answered(page, pictures[0].name)
    focus_by_tab(page, "Pictures")
    page.keyboard.press("ArrowRight")
    answered(page, pictures[1].name)
    focus_by_tab(page, "Confirm")
    page.keyboard.press("Enter")
    page.locator(".progress", has_text="1 reviewed").wait_for()
    answered(page, pictures[2].name)
    focus_by_tab(page, "Candidates")
    page.keyboard.press("ArrowRight")
    page.get_by_role("tab", name="Regions", selected=True).wait_for()
    page.keyboard.press("ArrowRight")
    focus_by_tab(page, "Step")
    page.keyboard.press("ArrowLeft")
    assert page.locator("[aria-current=step] .rank").inner_text() == str(
        page.locator(".steps li").count() - 1
    )


@pytest.mark.parametrize("colours", ["dark", "light"])
def test_axe_finds_no_fault(visit, server, pictures, colours):
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm --prefix web ci")
    page = visit(server.url, color_scheme=colours)
    page.locator(".model").wait_for()
    page.evaluate(AXE.read_text())
    assert faults(page) == []
    choose(page, *pictures[:2])
    answered(page, pictures[0].name)
    for tab in ("Candidates", "Regions", "Coarse to fine", "Neighbours"):
        page.get_by_role("tab", name=tab).click()
        assert faults(page) == [], tab


def test_colours_follow_the_system_until_they_are_chosen(visit, server):
    page = visit(server.url, color_scheme="light")
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.get_by_role("button", name="Use dark colours").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_phone(visit, server, pictures):
    page = visit(server.url, has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 360, "height": 740})
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_role("button", name="Confirm").bounding_box()["y"] > 300  # the globe is above
    page.get_by_role("button", name="Show more of the panel").click()
    page.get_by_role("button", name="Show more of the globe").wait_for()
    page.get_by_role("tab", name="Regions").tap()
    page.get_by_role("tab", name="Regions", selected=True).wait_for()


def test_without_webgl_there_is_no_globe_but_answers(launch, server, pictures):
    browser = launch(["--disable-3d-apis"])
    page = browser.new_page()
    page.goto(server.url)
    page.locator("#globe", has_text="can't draw the globe").wait_for()
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    page.keyboard.press("c")
    page.locator(".progress", has_text="1 reviewed").wait_for()
    browser.close()


def focus_by_tab(page, name, most=60):
    """Presses Tab until what is focused has a name."""
    words = "(element) => element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText"
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate_handle("document.activeElement")
        if (page.evaluate(words, focused) or "").strip().startswith(name):
            return
    pytest.fail(f"Tab does not lead to {name}")


def faults(page):
    """What axe objects to, in short."""
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in found]
