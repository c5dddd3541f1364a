"""Pictures in, answers on the globe and in words."""

import io
import json

from PIL import Image

from browser_help import all_answered, answered, choose, drawn, exported


def test_one_picture_is_answered_in_words_numbers_and_on_the_globe(page, pictures):
    drawn(page)
    before = warm(page)
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    assert "90 % within" in page.locator(".estimate").inner_text()
    assert page.locator(".headline").inner_text()
    page.locator(".pin").wait_for()
    assert page.locator(".pin").get_attribute("aria-label").startswith("Estimate: 6")  # 60° N
    assert page.locator("[role=tabpanel] li").count() == 5
    page.locator(".legend").wait_for()
    assert warm(page) > before + 500, "no density can be seen on the globe"


def test_many_pictures_and_a_broken_one(page, pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"this is no picture")
    choose(page, broken, *pictures[:5])
    page.locator(".progress", has_text="6 pictures, 1 refused").wait_for()
    assert "broken.png" in page.locator(".panel [role=alert]").inner_text()
    lines = [json.loads(line) for line in exported(page).splitlines()]
    assert [line["path"] for line in lines] == ["broken.png", *(path.name for path in pictures[:5])]
    assert "error" in lines[0]
    assert all(-90 <= line["latitude"] <= 90 for line in lines[1:])


def test_a_dropped_picture_is_taken(page, pictures):
    held = page.evaluate_handle(
        """([name, bytes]) => {
            const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            return held;
        }""",
        [pictures[1].name, list(pictures[1].read_bytes())],
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": held})
    page.locator(".drop").wait_for()
    page.dispatch_event("body", "drop", {"dataTransfer": held})
    answered(page, pictures[1].name)
    assert page.locator(".drop").count() == 0


def test_an_answer_can_be_looked_at_in_four_ways(page, pictures):
    choose(page, pictures[0])
    answered(page, pictures[0].name)
    page.get_by_role("tab", name="Regions").click()
    assert "50 %" in page.locator("[role=tabpanel] h2").first.inner_text()
    page.get_by_role("tab", name="Coarse to fine").click()
    slider = page.get_by_role("slider", name="Step")
    steps = page.locator("[role=tabpanel] li")
    assert slider.input_value() == str(steps.count() - 1)
    slider.press("Home")
    assert page.locator("[aria-current=step]").inner_text() == steps.first.inner_text()
    page.get_by_role("tab", name="Neighbours").click()
    assert steps.count() == 15
    assert "km" in steps.first.inner_text()


def test_what_a_camera_wrote_is_not_taken_for_an_estimate(page, pictures, tmp_path):
    """A picture that claims to be from Null Island is answered like the same without the claim."""
    image = Image.open(pictures[2]).convert("RGB")
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}
    claims, plain = tmp_path / "claims.png", tmp_path / "plain.png"
    image.save(claims, exif=exif)
    image.save(plain)
    choose(page, claims, plain)
    all_answered(page, 2)
    first, second = (json.loads(line) for line in exported(page).splitlines())
    assert (first["latitude"], first["longitude"]) == (second["latitude"], second["longitude"])


def warm(page):
    """How many pixels of the globe have a colour of the density: far more red than blue."""
    shot = Image.open(io.BytesIO(page.locator("#globe").screenshot())).convert("RGB").crop((0, 60, 640, 700))
    return sum(red > blue + 50 for red, _, blue in shot.get_flattened_data())
