"""Pictures that show no place, each a function of a random generator.

What is doubted, and how far a picture must be from views, was settled on `SETTLED_ON` alone, and on views. `HELD_OUT`
were drawn afterwards, and looked at once.
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

TEXT = "the of and to in is you that it for on are as with his they be at one have this from or had by word"
PAPER, INK = (250, 250, 247), (20, 20, 20)


def black(draw):
    """A lens cap: one colour, or nearly none."""
    return Image.new("RGB", (160, 120), tuple(int(value) for value in draw.integers(0, 12, 3)))


def noise(draw):
    return Image.fromarray(draw.integers(0, 256, (120, 160, 3), dtype=np.uint8))


def document(draw):
    """A page of text."""
    page, pen = _page()
    words = TEXT.split()
    for top in range(40, 550, 14):
        end = 40 + 340 * (1.0 if draw.random() > 0.1 else draw.random())
        left = 40.0
        while left < end:
            word = words[draw.integers(len(words))] + " "
            pen.text((left, top), word, fill=INK)
            left += pen.textlength(word)
    return page


def one_colour(draw):
    return Image.new("RGB", (160, 120), _colour(draw))


def dark_with_grain(draw):
    """A lens cap, as a sensor sees it."""
    return _grainy(draw, draw.integers(0, 60, 3), draw.uniform(0.5, 4))


def blank_page_with_stamp(draw):
    page, pen = _page()
    left, top = draw.integers(40, 260), draw.integers(40, 440)
    size, ink = (
        draw.integers(60, 120),
        tuple(int(value) for value in draw.integers((90, 0, 0), (220, 90, 160))),
    )
    pen.ellipse((left, top, left + size, top + size), outline=ink, width=4)
    pen.ellipse((left + 10, top + 10, left + size - 10, top + size - 10), outline=ink, width=2)
    pen.text((left + size / 4, top + size / 2 - 5), "PAID", fill=ink)
    return page


def gradient(draw):
    """From one colour to another, in any direction."""
    angle = draw.uniform(0, 2 * np.pi)
    down, across = np.mgrid[-1:1:120j, -1:1:160j]
    way = (np.cos(angle) * across + np.sin(angle) * down)[..., None]
    first, last = draw.uniform(0, 255, (2, 3))
    return _image(first + (last - first) * (way - way.min()) / np.ptp(way))


def logo(draw):
    """A few plain shapes on a plain ground."""
    picture = Image.new("RGB", (200, 200), _colour(draw))
    pen = ImageDraw.Draw(picture)
    for _ in range(draw.integers(2, 6)):
        left, top, wide, high = (int(value) for value in draw.integers(20, 110, 4))
        shape = (pen.ellipse, pen.rectangle)[draw.integers(2)]
        shape((left, top, left + wide, top + high), fill=_colour(draw))
    return picture


def checkerboard(draw):
    side, (light, dark) = int(draw.integers(4, 41)), draw.integers(0, 256, (2, 3))
    down, across = np.mgrid[:160, :160] // side
    return _image(np.where(((down + across) % 2)[..., None] == 0, light, dark))


def screenshot(draw):
    """Windows with bars, buttons and lines of text."""
    picture = Image.new("RGB", (320, 200), _colour(draw))
    pen = ImageDraw.Draw(picture)
    for _ in range(draw.integers(1, 4)):
        left, top = (int(value) for value in draw.integers(0, 100, 2))
        right, bottom = left + int(draw.integers(100, 220)), top + int(draw.integers(60, 120))
        pen.rectangle((left, top, right, bottom), fill=(245, 245, 245), outline=(120, 120, 120))
        pen.rectangle((left, top, right, top + 12), fill=_colour(draw))
        for line in range(top + 18, bottom - 10, 12):
            pen.text((left + 6, line), TEXT[: int(draw.integers(5, 30))], fill=(30, 30, 30))
    return picture


def handwriting(draw):
    """Wavy strokes, line by line."""
    page, pen = _page()
    for top in range(60, 540, int(draw.integers(22, 40))):
        across = np.arange(40, 40 + int(draw.integers(150, 340)), 2)
        wave = np.cumsum(draw.normal(0, 1.6, len(across)))
        high = top + 6 * np.sin(across / draw.uniform(2, 5)) + 3 * np.sin(wave)
        pen.line(list(zip(across.tolist(), high.tolist(), strict=True)), fill=(25, 30, 90), width=2)
    return page


def blocks(draw):
    """Black and white squares, as in a QR code."""
    count = int(draw.integers(21, 42))
    squares = np.kron(draw.integers(0, 2, (count, count)), np.ones((6, 6)))
    return _image(255 * np.repeat(np.pad(squares, 24, constant_values=1)[..., None], 3, axis=2))


def overexposed(draw):
    """White, with the grain that is left."""
    return _grainy(draw, draw.integers(243, 256, 3), draw.uniform(0, 3))


def moved_noise(draw):
    """Noise drawn out by a moving camera."""
    grain = draw.normal(128, 60, (160, 160, 3))
    reach = int(draw.integers(5, 25))
    drawn = np.mean([np.roll(grain, step, axis=1) for step in range(reach)], axis=0)
    turned = _image(128 + (drawn - 128) * reach**0.5).rotate(draw.uniform(0, 180), Image.Resampling.BILINEAR)
    return turned.crop((24, 24, 136, 136)).filter(ImageFilter.GaussianBlur(0.5))


SETTLED_ON = {make.__name__: make for make in (black, noise, document, one_colour, dark_with_grain)}
HELD_OUT = {
    make.__name__: make
    for make in (
        blank_page_with_stamp,
        gradient,
        logo,
        checkerboard,
        screenshot,
        handwriting,
        blocks,
        overexposed,
        moved_noise,
    )
}
KINDS = SETTLED_ON | HELD_OUT


def png(picture):
    """The bytes of a PNG file."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def files(folder, kinds, count, *, seed=0):
    """Of each kind some pictures, for a seed always the same: kind -> paths."""
    found = {}
    for kind in kinds:
        draw = np.random.default_rng([seed, *kind.encode()])
        found[kind] = [folder / f"{kind}-{number:03}.png" for number in range(count)]
        for path in found[kind]:
            path.write_bytes(png(KINDS[kind](draw)))
    return found


def _page():
    page = Image.new("RGB", (420, 594), PAPER)
    return page, ImageDraw.Draw(page)


def _colour(draw):
    return tuple(int(value) for value in draw.integers(0, 256, 3))


def _grainy(draw, colour, deviation):
    return _image(colour + draw.normal(0, deviation, (120, 160, 3)))


def _image(values):
    """(H, W, 3) from 0 to 255."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
