"""What tests of the map do on a page."""

from pathlib import Path


def choose(page, *files):
    """Gives pictures to the page, as a file chooser does."""
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])


def answered(page, name):
    """Waits until the picture that is looked at has an answer."""
    page.locator("article.picture[aria-busy=false]", has_text=name).locator(".estimate").wait_for()


def all_answered(page, count):
    """Waits until so many pictures have answers."""
    page.locator(".frame[data-state=answered]").nth(count - 1).wait_for()


def drawn(page):
    """Waits until the globe is there."""
    page.locator("html[data-globe=drawn]").wait_for(state="attached")


def exported(page, kind="JSON lines"):
    """The file that the page saves, as text."""
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as saving:
        page.get_by_role("button", name=kind).click()
    return Path(saving.value.path()).read_text(encoding="utf-8")
