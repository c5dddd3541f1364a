"""Answers are read in every usual form, and never guessed at."""

import json
import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graticule.decoding.judge.angles import AnswerError, angle, brief
from graticule.decoding.judge.parse import parse_choice, parse_place

SYDNEY = (-33.9, 151.2)


@pytest.mark.parametrize(
    "text",
    [
        '{"latitude": -33.9, "longitude": 151.2}',
        '{"longitude": 151.2, "latitude": -33.9}',
        '{"lat": -33.9, "lng": 151.2}',
        '{"LAT": "-33.9", "Long": "151.2"}',
        '{"lat": "33.9° S", "lon": "151.2 E"}',
        '{"lat": "-33,9", "lon": "151,2"}',
        '{"lat": -33.9, "lon": 151.2,}',
        "{'lat': -33.9, 'lon': 151.2}",
        "{lat: -33.9, lon: 151.2}",
        '```json\n{"lat": -33.9,\n "lon": 151.2}\n```',
        'Certainly! {"lat": -33.9, "lon": 151.2} I am 90% sure.',
        '{"answer": {"where": [{"lat": -33.9, "lon": 151.2}]}, "confidence": 0.9}',
        '{"reasoning": "not 48.85, 2.35", "lat": -33.9, "lon": 151.2}',
        '{"lat": -33.9, "lon": 151.2} which is {"lat": -33.9, "lon": 151.2}',
        '{"answer": "33.9 S, 151.2 E"}',
        '{"location": [-33.9, 151.2]}',
        '{"coordinates": [-33.9, 151.2]}',
        '{"type": "Point", "coordinates": [151.2, -33.9]}',
        "[-33.9, 151.2]",
        "[[-33.9, 151.2]]",
        '["33.9 S", "151.2 E"]',
        '<think>Perhaps 48.85, 2.35? No.</think>\n{"lat": -33.9, "lon": 151.2}',
        "-33.9, 151.2",
        "-33.9,151.2",
        "(-33.9; 151.2)",
        "-33.9 151.2",
        "\u221233.9°, 151.2°",
        "\u201333.9, 151.2",
        "-33,9; 151,2",
        "-33,9, 151,2",
        "The coordinates are (-33.9, 151.2).",
        "33.9 S, 151.2 E",
        "33.9S 151.2E",
        "S 33.9, E 151.2",
        "151.2 E, 33.9 S",
        "-33.9 S, 151.2 E",
        "33.9 degrees south and 151.2 degrees east",
        "33°54'S 151°12'E",
        "33° 54\u2032 0\u2033 S, 151º 12\u2019 0\u201d E",
        "33 deg 54 min South, 151 deg 12 min East",
        "I am 90% sure: 33.9 S, 151.2 E, 5 km from the sea, in 2015.",
        "Latitude: -33.9, Longitude: 151.2",
        "**Latitude:** -33.9\n**Longitude:** 151.2",
        "- lat = -33.9\n- lon = 151.2",
        "Latitude and longitude: -33.9, 151.2",
        "See [1]: 33.9 S, 151.2 E",
    ],
)
def test_a_place_is_read(text):
    assert parse_place(text) == pytest.approx(SYDNEY)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"latitude": -33, "longitude": 151}', (-33, 151)),
        ('{"latitude": "-33", "longitude": "151"}', (-33, 151)),
        ("-33, 151", (-33, 151)),
        ("-33, -70", (-33, -70)),
        ("lat: -33; lon: -70", (-33, -70)),
        ("Lat, Lon: -33, -70.", (-33, -70)),
        ("0° 30' S, 0° 15' W", (-0.5, -0.25)),
        ("-0° 30' 0\", -0° 15' 0\"", (-0.5, -0.25)),
        ('{"lat": 0, "lon": 9.5}', (0, 9.5)),
        ('{"lat": 90, "lon": -180}', (90, -180)),
    ],
)
def test_the_minus_of_whole_numbers_and_of_zero_is_kept(text, place):
    assert parse_place(text) == pytest.approx(place)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no coordinates"),
        ("   \n", "no coordinates"),
        ("I'm sorry, I can't tell where this is.", "no coordinates"),
        ("It was taken in Sydney on 12, 14 May.", "no coordinates"),
        ("thirty-three south, one hundred and fifty-one east", "no coordinates"),
        ("{}", "no coordinates"),
        ("null", "no coordinates"),
        ('{"city": "Sydney"}', "no coordinates"),
        ('{"latitude": 91, "longitude": 0}', "out of range"),
        ('{"latitude": -33.9, "longitude": 181}', "out of range"),
        ('{"latitude": NaN, "longitude": 5}', "out of range"),
        ('{"latitude": 5, "longitude": -Infinity}', "out of range"),
        ('{"latitude": 1e400, "longitude": 5}', "out of range"),
        ('{"latitude": 151.2, "longitude": -33.9}', "out of range"),
        ("151.2, -33.9", "out of range"),
        ("91.5 N, 10 E", "out of range"),
        ('{"latitude": 0, "longitude": 0}', "stands for no answer"),
        ('{"latitude": -0.0, "longitude": 0.0}', "stands for no answer"),
        ("0, 0", "stands for no answer"),
        ("0.00 N, 0.00 E", "stands for no answer"),
        ('{"latitude": null, "longitude": 151.2}', "not a number"),
        ('{"latitude": true, "longitude": 151.2}', "not a number"),
        ('{"latitude": "unknown", "longitude": 151.2}', "no lat"),
        ('{"latitude": -33.9}', "no lon"),
        ('{"latitude": "151.2 E", "longitude": "33.9 S"}', "no lat"),
        ('{"latitude": 33.9, "direction": "S", "longitude": 151.2}', "compass"),
        ('{"lat": 1, "latitude": 2, "lon": 3}', "more than one lat"),
        ('{"lat": 1, "lat": 2, "lon": 3}', "more than one lat"),
        ('[{"lat": 1, "lon": 2}, {"lat": 3, "lon": 4}]', "several"),
        ('{"lat": 1, "lon": 2} or {"lat": 3, "lon": 4}', "several"),
        ('{"coordinates": [2.3, 48.8]}', "order"),
        ('{"guess": "33 or 34 S, 151 E", "not": "48.85, 2.35"}', "several ways"),
        ('{"latitude": -33.9, "longitude": 15', "cut short"),
        ('{"latitude": -33.9, "longitude": 15"', "cut short"),
        ('{"all": [{"lat": 1, "lon": 2}, {"lat": 3, "lo', "cut short"),
        ('{"lat": 33 51 25, "lon": 151 12 40}', "several ways"),
        ("-33", "no coordinates"),
        ("33,151", "no coordinates"),
        ("-33,151,2", "no coordinates"),
        ("33.9 S", "half"),
        ("33.9 S, 151.2", "several ways"),
        ("33.9 N, 34.1 N, 10 E", "several"),
        ("33.9 S, 151.2 E or 48.8 N, 2.3 E", "several"),
        ("48.85, 2.35 and perhaps 33.90, 10.25", "several"),
        ("48.85, 2.35, 33.90", "more than two"),
        ("33 51 25 S, 151 12 40 E", "several ways"),
        ("33, 51, 25 S, 151, 12, 40 E", "several ways"),
        ("33-34 S, 151 E", "several ways"),
        ("between 33 and 34 S, 151 E", "several ways"),
        ("lon/lat: 2.3, 48.8", "several ways"),
        ("Latitude - 33.9, Longitude - 151.2", "no coordinates"),
        ("- 33.9, 151.2", "no coordinates"),
        ("33.9 lat, 151.2 lon", "no coordinates"),
        ("-33.9 N, 151.2 E", "contradicts"),
        ("Latitude: 151.2 E, Longitude: 33.9 S", "called"),
        ("33° 61' S, 151° 12' E", "half"),
        ("[" * 5000, "brackets"),
        ("x" * 20_001, "longer"),
        ("9" * 5000, "no coordinates"),
    ],
)
def test_what_is_no_place_or_may_be_two_is_refused(text, reason):
    with pytest.raises(AnswerError, match=reason):
        parse_place(text)


lats = st.floats(-90, 90).map(lambda x: round(x, 4))
lons = st.floats(-180, 180).map(lambda x: round(x, 4))


def decimal(value, comma=False):
    return f"{value:.4f}".replace(".", "," if comma else ".")


def compass(value, letters, comma=False):
    return f"{decimal(abs(value), comma)}° {letters[value < 0]}"


def dms(value, letters=""):
    ticks = round(abs(value) * 3600 * 1000)
    degrees, rest = divmod(ticks, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    size = f"{degrees}° {minutes}' {rest / 1000:.3f}\""
    return f"{size} {letters[value < 0]}" if letters else ("-" if value < 0 else "") + size


FORMATS = [
    lambda a, o: json.dumps({"latitude": a, "longitude": o}),
    lambda a, o: json.dumps({"result": [{"lng": str(o), "lat": str(a)}]}, indent=1),
    lambda a, o: f'```json\n{{"lat": {a!r}, "lon": {o!r},}}\n```',
    lambda a, o: f"{{lat: {decimal(a)}, lon: {decimal(o)}}}",
    lambda a, o: json.dumps([a, o]),
    lambda a, o: f"{decimal(a)}, {decimal(o)}",
    lambda a, o: f"It may be at ({decimal(a)},{decimal(o)}).".replace("-", "\u2212"),
    lambda a, o: f"{decimal(a, True)}; {decimal(o, True)}",
    lambda a, o: f"Latitude: {decimal(a)}\nLongitude: {decimal(o)}",
    lambda a, o: f"{compass(a, 'NS')}, {compass(o, 'EW')}",
    lambda a, o: f"{compass(o, 'EW', True)} {compass(a, 'NS', True)}",
    lambda a, o: f"{dms(a, 'NS')}, {dms(o, 'EW')}",
    lambda a, o: f"{dms(a)}, {dms(o)}",
    lambda a, o: json.dumps({"lat": dms(a, "NS"), "lon": dms(o, "EW")}),
]


@settings(deadline=None)
@given(lats, lons, st.sampled_from(FORMATS))
def test_every_place_in_every_format_comes_back(lat, lon, form):
    text = form(lat, lon)
    if lat == lon == 0:
        with pytest.raises(AnswerError):
            parse_place(text)
    else:
        assert parse_place(text) == pytest.approx((lat, lon), abs=1e-6)


@settings(deadline=None)
@given(st.integers(-90, 90), st.integers(-180, 180))
def test_whole_degrees_come_back(lat, lon):
    if lat or lon:
        assert parse_place(f'{{"latitude": {lat}, "longitude": {lon}}}') == (lat, lon)
        assert parse_place(f"{lat}, {lon}") == (lat, lon)


# Random characters rarely look like an answer: random sequences of its pieces do.
PIECES = st.lists(
    st.sampled_from(
        [
            *"{}[]\",:;-+°'NSEW 0",
            *("lat", "lon", '"latitude": ', "coordinates", "candidate ", "choice", "null", "NaN", "</think>"),
            *("33.9", "151", "1e5", "9" * 400, " and ", "\u2212", ". ", "\ud800", "\x1b["),
        ]
    ),
    max_size=30,
).map("".join)
ANSWERS = st.one_of(
    PIECES,
    st.text(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["lat", "lon", "coordinates", "answer", "choice", "x"]), inner)
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@settings(deadline=None, max_examples=200)
@given(ANSWERS)
@example("[" * 20_000)
@example('{"a":' * 4000)
@example("1," * 10_000)
@example("- " * 9_999 + "1")
@example("N " * 10_000)
@example("°'" * 10_000)
@example("1° " * 6_000)
def test_any_text_gives_a_place_in_range_or_the_one_error(text):
    try:
        lat, lon = parse_place(text)
    except AnswerError:
        return
    assert math.isfinite(lat)
    assert math.isfinite(lon)
    assert abs(lat) <= 90
    assert abs(lon) <= 180
    assert (lat, lon) != (0, 0)


@settings(deadline=None, max_examples=100)
@given(ANSWERS, st.integers(1, 30))
def test_any_text_chooses_a_candidate_there_is_or_gives_the_one_error(text, count):
    try:
        chosen = parse_choice(text, count)
    except AnswerError:
        return
    assert type(chosen) is int
    assert 0 <= chosen < count


@pytest.mark.parametrize(
    "text",
    [
        "3",
        " 3.\n",
        "**3**",
        "#3",
        "Candidate 3",
        "No. 3",
        "I choose number 3.",
        "Candidate 3 (48.85, 2.35), most likely.",
        '{"choice": 3}',
        '{"choice": 3.0,}',
        '{"choice": "3"}',
        '{"choice": "Candidate 3"}',
        '{"answer": {"number": 3}, "confidence": 0.8, "seen": [1, 2]}',
        '{"choice": [3]}',
        '```json\n{"choice": 3}\n```',
        "{choice: 3}",
        "[3]",
        '<think>1? 2? No.</think>{"choice": 3}',
    ],
)
def test_a_choice_is_read(text):
    assert parse_choice(text, 5) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no number"),
        ("three", "no number"),
        ("I'm sorry, I can't help with 1.", "refusal"),
        ("None of the 5 fits.", "refusal"),
        ("It is not candidate 2.", "refusal"),
        ("2 or 3", "several"),
        ("3/5", "no number"),
        ("1-3", "no number"),
        ("-3", "no number"),
        ("\u22123", "no number"),
        ('{"choice": "\u22122"}', "no candidate"),
        ("2.5", "no number"),
        ("3rd", "no number"),
        ("0", "there are 1 to 5"),
        ("6", "there are 1 to 5"),
        ('{"choice": 0}', "there are 1 to 5"),
        ('{"choice": -2}', "there are 1 to 5"),
        ('{"choice": 99999999999999999999}', "there are 1 to 5"),
        ('{"choice": 1e999}', "no candidate"),
        ('{"choice": 2.5}', "no candidate"),
        ('{"choice": true}', "no candidate"),
        ('{"choice": null}', "no candidate"),
        ('{"choice": "-2"}', "no candidate"),
        ('{"choice": [1, 3]}', "several"),
        ('{"choice": 1, "choice": 3}', "several"),
        ('{"choice": 3', "cut short"),
        ('{"latitude": 1, "longitude": 2}', "several"),
        ("{}", "no number"),
    ],
)
def test_what_is_no_choice_or_may_be_two_is_refused(text, reason):
    with pytest.raises(AnswerError, match=reason):
        parse_choice(text, 5)


@pytest.mark.parametrize("filling", [" ", "(#"])
def test_a_long_answer_without_a_choice_is_soon_refused(filling):
    """Quantifiers that give back what they took would need over a second for each."""
    answer = json.dumps({"choice": filling * (19_900 // len(filling))})
    begun = time.process_time()
    for _ in range(5):
        with pytest.raises(AnswerError, match="no candidate"):
            parse_choice(answer, 5)
    assert time.process_time() - begun < 2


def test_one_angle_alone():
    assert angle(" 33,9° S ", "lat") == -33.9
    for text in ("33.9 E", "33.9 and more", "", "N", "33.9 S 1"):
        with pytest.raises(AnswerError):
            angle(text, "lat")


def test_what_is_shown_of_an_answer_is_one_short_harmless_line():
    shown = brief("\x1b[31mred\nline\u202eback \ud800" + "x" * 1000)
    assert shown.startswith("[31mred line back xxx")
    assert shown.isprintable()
    assert len(shown) == 80
