"""What goes wrong is said, and the rest goes on."""

import os

from PIL import Image

from browser_help import answered, choose

KEY = "of-sufficient-length-and-random-enough"


def test_a_server_with_a_key_asks_for_it_and_one_with_limits_says_so(serve, visit, pictures, tmp_path):
    large = tmp_path / "large.png"
    Image.frombytes("RGB", (1000, 1000), os.urandom(3_000_000)).save(large)
    options = ("--max-megabytes", 1, "--api-key-env", "MAP_KEY")
    with serve("serve", "--model", "orbit", "--port", 0, *options, environment={"MAP_KEY": KEY}) as running:
        page = visit(running.url)
        page.get_by_label("This server asks for a key.").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        page.locator(".model", has_text="orbit").wait_for()
        choose(page, large, pictures[0])
        page.locator(".picture .warning", has_text="No answer").wait_for()
        page.locator(f".frame[aria-label='{pictures[0].name}, answered']").click()
        answered(page, pictures[0].name)


def test_a_server_that_goes_away_and_comes_back(serve, visit, pictures):
    with serve("serve", "--model", "orbit", "--port", 0) as running:
        page = visit(running.url)
        choose(page, pictures[0])
        answered(page, pictures[0].name)
        running.process.kill()
        running.process.wait()
    choose(page, pictures[1])
    page.locator(".warning.gone").get_by_role("button", name="Try now").wait_for()
    assert page.locator(f".frame[aria-label='{pictures[1].name}, waiting']").count() == 1
    port = running.url.rstrip("/").rpartition(":")[2]
    with serve("serve", "--model", "orbit", "--port", port):
        # The page asks again by itself too, and may have done so already: then the button is gone.
        page.evaluate("document.querySelector('.warning.gone button')?.click()")
        answered(page, pictures[1].name)
        assert page.locator(".warning").count() == 0


def test_a_busy_server_is_asked_again(page, pictures):
    refusals = iter([True])

    def busy_once(route):
        if next(refusals, False):
            body = '{"error": {"type": "ServingError", "message": "the queue is full"}}'
            route.fulfill(
                status=503, headers={"Retry-After": "1"}, content_type="application/json", body=body
            )
        else:
            route.continue_()

    page.route("**/v1/locate", busy_once)
    choose(page, pictures[0])
    page.locator(".warning.busy").wait_for()
    answered(page, pictures[0].name)
    assert page.locator(".warning").count() == 0
