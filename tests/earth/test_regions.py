"""Regions: what is understood, what is refused, and how they cut cells."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s2geometry import S2Cell, S2CellId, S2Polygon

from graticule.earth import s2
from graticule.earth.distance import destination, haversine_km
from graticule.earth.regions import Region, parse_region
from graticule.errors import InputError

FACES = [(2 * face + 1) << 60 for face in range(6)]
WHOLE = 4 * np.pi


def ring(*corners):
    return [[*corners, corners[0]]]


SQUARE = ring([0, 0], [10, 0], [10, 10], [0, 10])
HOLE = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]


@pytest.fixture
def written(tmp_path):
    def write(shape):
        path = tmp_path / "region.geojson"
        path.write_text(shape if isinstance(shape, str) else json.dumps(shape))
        return str(path)

    return write


def polygon(rings):
    return {"type": "Polygon", "coordinates": rings}


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("France", [(48.86, 2.35), (4.0, -53.0)], [(40.4, -3.7), (52.5, 13.4)]),
        ("Russia", [(66.0, 179.0), (66.0, -171.5), (55.75, 37.6)], [(48.0, 105.0), (65.0, -160.0)]),
        ("Fiji", [(-16.8, 179.5), (-16.8, -179.95), (-17.8, 178.0)], [(-16.8, -179.0), (0.0, 0.0)]),
        ("South Africa", [(-26.2, 28.0)], [(-29.6, 28.2)]),
        ("Antarctica", [(-89.9, 12.0), (-86.0, 180.0), (-86.0, -180.0)], [(-60.0, 0.0), (90.0, 0.0)]),
        ("vatican city", [(41.903, 12.433)], [(41.9, 12.5)]),
        ("cote d'ivoire", [(7.0, -5.5)], [(7.0, -1.0)]),
        ("-20,177,-12,-178", [(-16.0, 179.0), (-16.0, -179.0), (-16, 180)], [(-16.0, 170.0), (-16.0, 0.0)]),
        ("60,-180,90,180", [(90.0, 3.0), (61.0, -180.0), (70, 120)], [(59.0, 4.0), (-90.0, 0.0)]),
        ("-90,-180,-60,180", [(-90.0, 3.0), (-61.0, 180.0)], [(-59.0, 4.0), (90.0, 0.0)]),
        ("-10,-180,10,180", [(0.0, 0.0), (9.9, 180.0)], [(11.0, 4.0), (-90.0, 0.0), (90, 0)]),
        ("-90,-180,90,180", [(0.0, 0.0), (90.0, 0.0), (-90, 7)], []),
        ("-80,-170,80,170", [(0.0, 0.0), (0.0, 169.0)], [(0.0, 180.0), (85.0, 0.0)]),
        ("80,10,90,20", [(89.0, 15.0)], [(89.0, 25.0), (79.0, 15.0)]),
        ("50 km around 48.86,2.35", [(48.86, 2.35), (49.3, 2.35)], [(49.4, 2.35)]),
        ("200 KM around -89.5,0", [(-90.0, 0.0), (-89.0, 180.0)], [(-87.0, 0.0)]),
        ("10000 km around 0,180", [(0.0, 179.0), (85.0, -170.0)], [(0.0, 0.0)]),
    ],
)
def test_what_is_said_is_understood(text, inside, outside):
    region = parse_region(text)
    assert region.contains(inside).all()
    assert not region.contains(np.array(outside).reshape(-1, 2)).any()


def test_several_are_united():
    region = parse_region(["Spain", "Portugal", "10 km around 48.86,2.35", "Spain"])
    assert region.name == "Spain + Portugal + 10 km around 48.86,2.35"
    assert region.contains([[40.4, -3.7], [39.5, -8.0], [48.86, 2.35], [45.0, 4.0]]).tolist() == [1, 1, 1, 0]
    border = S2Polygon.GetArea(parse_region("Spain").polygon) + S2Polygon.GetArea(
        parse_region("Portugal").polygon
    )
    alone = parse_region(["Spain", "Portugal"]).polygon.GetArea()
    assert alone == pytest.approx(border, rel=1e-12)


@pytest.mark.parametrize(("lat", "lon", "radius_km"), [(48.86, 2.35, 50.0), (-89.9, 7, 700), (0, 180, 9999)])
def test_a_circle_never_exceeds_its_radius_nor_falls_short(lat, lon, radius_km):
    region = parse_region(f"{radius_km} km around {lat},{lon}")
    bearings = np.random.default_rng(0).uniform(0, 360, 2000)
    for factor, expected in ((1 - 6e-6, True), (1 + 1e-9, False)):
        points = np.stack(
            destination(lat, lon, bearing_deg=bearings, distance_km=radius_km * factor), axis=-1
        )
        assert (region.contains(points) == expected).all()


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda shape: shape,
        lambda shape: {"type": "Feature", "properties": {}, "geometry": shape},
        lambda shape: {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": shape}]},
        lambda shape: {"type": "GeometryCollection", "geometries": [shape]},
        lambda shape: {"type": "MultiPolygon", "coordinates": [shape["coordinates"]]},
    ],
)
def test_files_hold_polygons_with_holes_either_way_round(written, wrap, turn):
    rings = [SQUARE[0][::turn], HOLE]
    region = parse_region(written(wrap(polygon(rings))))
    assert region.name == "region.geojson"
    assert region.contains([[1, 1], [3, 3], [9, 9], [11, 11]]).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    "rings",
    [
        ring([170, -5], [-170, -5], [-170, 5], [170, 5]),
        ring([170, -5], [190, -5], [190, 5], [170, 5]),
        ring([-190, -5], [-170, -5], [-170, 5], [-190, 5]),
    ],
)
def test_rings_cross_the_antimeridian(written, rings):
    region = parse_region(written(polygon(rings)))
    assert region.contains([[0, 179], [0, -179], [0, 180], [0, 160], [0, 0]]).tolist() == [1, 1, 1, 0, 0]


def test_parts_of_a_file_may_overlap_and_hold_one_another(written):
    inner = ring([3, 3], [5, 3], [5, 5], [3, 5])
    beside = ring([8, 8], [12, 8], [12, 12], [8, 12])
    region = parse_region(written({"type": "MultiPolygon", "coordinates": [SQUARE, inner, beside]}))
    assert region.contains([[4, 4], [9, 9], [11, 11], [1, 1], [7, 11]]).tolist() == [1, 1, 1, 1, 0]


def test_long_sides_follow_the_parallel(written):
    region = parse_region(written(polygon(ring([-120, 40], [-80, 40], [-80, 49], [-120, 49]))))
    assert region.contains([[48.99, -100], [49.01, -100], [40.01, -100], [39.99, -100]]).tolist() == [
        1,
        0,
        1,
        0,
    ]


def test_a_ring_may_go_to_the_pole_and_back(written):
    around = [[lon, -63.27] for lon in range(-180, 181, 10)]
    region = parse_region(written(polygon([[*around, [180, -90], [-180, -90], [-180, -63.27]]])))
    assert region.contains([[-90, 0], [-80, 180], [-64, 5], [-62, 5]]).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Frnace", "did you mean France"),
        ("Atlantis", "docs/regions.md|did you mean"),
        ("Réunion", "Réunion is drawn with France; say it as a box or a circle"),
        ("GI", "Gibraltar is too small to be drawn"),
        ("", "is no country"),
        ("10,20,5,30", "south 10 is not below north 5"),
        ("10,20,15,20", "no width"),
        ("10,20,95,30", "latitude 95.*no place"),
        ("10,20,15,190", "longitude 190.*no place"),
        ("10,20,15", "can't be understood"),
        ("1e3 km around 0,0", "can't be understood"),
        ("0 km around 0,0", "radius 0 km"),
        ("-5 km around 0,0", "radius -5 km"),
        ("10001 km around 0,0", "radius"),
        ("50 km around 91,0", "latitude 91"),
        ("0.0001 km around 0,0", "is empty"),
        ("no-such-file.geojson", "no-such-file.geojson: can't be read"),
        # Of 6,000 digits, the first kept a processor busy for more than ten minutes.
        (",".join(["1" * 20_000] * 3), "60,002 letters, the limit is 150"),
        (",".join(["1" * 40] * 3), "can't be understood"),
        ("1" * 140 + " km", "can't be understood"),
        (f"0,0,.{chr(0) * 500}", "505 letters"),
        ("x" * 100_000, "100,000 letters"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_region(text)


@pytest.mark.parametrize("words", ["DE", "germany", "Deutschland", "Allemagne", "ドイツ"])
def test_a_country_has_a_code_and_a_name_in_every_language(words):
    region = parse_region(words)
    assert region.name == "Germany"
    assert region.contains([[52.5, 13.4], [48.86, 2.35]]).tolist() == [True, False]


def test_no_region_is_refused():
    with pytest.raises(InputError, match="no region is given"):
        parse_region([])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "the document: type None bounds no area"),
        ({"type": "Point", "coordinates": [0, 0]}, "type 'Point' bounds no area"),
        ({"type": "FeatureCollection", "features": []}, "holds no polygons"),
        ({"type": "FeatureCollection", "features": 3}, "features: is no list"),
        (
            {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None}]},
            r"features\[0\].geometry",
        ),
        (polygon(None), "coordinates: has no rings"),
        (polygon([]), "has no rings"),
        (polygon([[[0, 0], [1, 1], [0, 0]]]), r"coordinates\[0\]: a ring is a list of four"),
        (polygon([[[0, 0], [1, 0], [1, 1], [0, 1]]]), "is not closed"),
        (polygon(ring([0, 0], [1, 0], [1, "x"])), r"coordinates\[0\]\[2\]: a position"),
        (polygon(ring([0, 0], [1, 0], [1, True])), "a position"),
        (polygon(ring([0, 0], [1, 0], [1, 10**400])), "no place on Earth"),
        ('{"type": "Polygon", "coordinates": [[[0,0],[1,0],[NaN,1],[0,0]]]}', "a position"),
        (polygon(ring([0, 0], [1, 0], [1, 91])), "no place on Earth"),
        (polygon(ring([500000, 0], [1, 0], [1, 9])), "no place on Earth"),
        (polygon(ring([0, 0], [10, 9], [10, 0], [0, 10])), r"coordinates: its outline crosses itself"),
        (polygon([SQUARE[0], [[5, 5], [15, 5], [15, 6], [5, 5]]]), "crosses itself"),
        (polygon(ring([0, 0], [1, 0], [2, 0])), "bounds no area|crosses itself|is empty"),
        (polygon(ring([0, 0], [1, 1], [0, 0])), "bounds no area"),
        (polygon(ring([-180, -5], [180, -5], [180, 5], [-180, 5])), "360 degrees of longitude away"),
        (polygon([[[0, 0], *([[1, 0], [1, 1]] * 100_001), [0, 0]]]), "200,004 positions"),
        # 1,000 positions took 9 s and 1.2 GB, and a request may have 5,000.
        (polygon([[[0, 0], *([[179, 1], [0, 2]] * 200), [0, 0]]]), "716,.* points would stand for them"),
    ],
)
def test_files_that_are_wrong_are_refused_by_place(written, shape, message):
    path = written(shape)
    with pytest.raises(InputError, match=message) as caught:
        parse_region(path)
    assert "region" in str(caught.value)


REGIONS = [
    "Fiji",
    "South Africa",
    "Vatican",
    "50 km around 48.86,2.35",
    "-20,177,-12,-178",
    "60,-180,90,180",
    "0,0,45,45",
    "-80,-170,80,170",
]


@pytest.fixture(scope="module", params=REGIONS)
def region(request):
    return parse_region(request.param)


def exact_area(cell):
    return S2Cell(S2CellId(cell)).ExactArea()


def test_shares_add_up_to_the_area_s2_finds(region):
    shares = region.shares(FACES)
    assert shares.sum() * WHOLE / 6 == pytest.approx(region.polygon.GetArea(), rel=1e-7)


def test_shares_are_those_s2_finds_for_the_cell_as_a_polygon(region):
    lat, lon = region.anchor
    for level in (1, 4, 9):
        cell = int(s2.cell_ids(lat, lon, level=level)[()])
        expected = S2Polygon.GetOverlapFractions(S2Polygon(S2Cell(S2CellId(cell))), region.polygon)[0]
        assert region.shares([cell])[0] == pytest.approx(expected, abs=1e-6)


def some_border_cells(region, level):
    """Cells that the region cuts, each the child of one."""
    cut = [cell for cell in FACES if not isinstance(region.cuts.part(cell), bool)]
    for _ in range(level):
        cut = [
            child
            for cell in cut[:4]
            for child in s2.children(np.uint64(cell)).tolist()
            if not isinstance(region.cuts.part(child), bool)
        ]
    return cut[:4]


@pytest.mark.parametrize("level", [0, 3, 8, 14])
def test_childrens_shares_add_up_to_the_parents(region, level):
    for cell in some_border_cells(region, level):
        children = s2.children(np.uint64(cell)).tolist()
        parts = sum(
            share * exact_area(child) for share, child in zip(region.shares(children), children, strict=True)
        )
        assert region.shares([cell])[0] * exact_area(cell) == pytest.approx(
            parts, rel=1e-6, abs=1e-9 * exact_area(cell)
        )


@pytest.mark.parametrize("level", [0, 3, 8, 14])
def test_a_cell_is_reached_if_and_only_if_a_child_is(region, level):
    for cell in some_border_cells(region, level):
        parts = [region.cuts.part(child) for child in s2.children(np.uint64(cell)).tolist()]
        assert any(part is not False for part in parts)


def test_cells_agree_with_points(region):
    """No point of the region is in a cell not reached, no other in a cell that is filled."""
    rng = np.random.default_rng(0)
    lat, lon = region.anchor
    near = np.stack(
        destination(
            lat, lon, bearing_deg=rng.uniform(0, 360, 400), distance_km=10 ** rng.uniform(-2, 4, 400)
        ),
        axis=-1,
    )
    inside = region.contains(near)
    for level in range(0, 25, 3):
        cells = s2.cell_ids(near[:, 0], near[:, 1], level=level).tolist()
        parts = [region.cuts.part(cell) for cell in cells]
        assert all(part is not False for part, within in zip(parts, inside, strict=True) if within)
        assert all(part is not True for part, within in zip(parts, inside, strict=True) if not within)


def test_to_touch_a_cell_is_not_to_reach_into_it():
    """The box is the north-eastern quarter of face 0, whose sides are lines between cells."""
    region = parse_region("0,0,30,45")
    assert [region.cuts.reaches(face) for face in FACES] == [True, False, False, False, False, False]
    quarters = s2.children(np.uint64(FACES[0])).tolist()
    lat, lon = s2.centres(np.array(quarters, dtype=np.uint64))
    assert [region.cuts.reaches(cell) for cell in quarters] == ((lat > 0) & (lon > 0)).tolist()


def test_points_lie_in_the_region_and_in_their_cells(region):
    for level in (2, 8, 14):
        cells = some_border_cells(region, level)
        points, found = region.points(cells)
        assert found.all()
        assert region.contains(points).all()
        assert s2.cell_ids(points[:, 0], points[:, 1], level=level).tolist() == cells


def test_a_region_smaller_than_a_cell_has_its_point():
    region = parse_region("48.86,2.35,48.86003,2.35003")
    cell = s2.cell_ids(48.860015, 2.350015, level=16)[()]
    points, found = region.points([cell])
    assert found.all()
    assert haversine_km(*points[0], 48.860015, 2.350015) < 0.003
    assert 0 < region.shares([cell])[0] < 0.01


def test_a_region_too_thin_for_a_point_says_so():
    region = parse_region("10.00000001,20,10.000000011,60")
    with pytest.raises(InputError, match="too thin"):
        _ = region.anchor


def test_cells_outside_answer_with_the_anchor():
    region = parse_region("Fiji")
    points, found = region.points([FACES[0]])
    assert not found.any()
    assert points[0].tolist() == region.anchor.tolist()
    assert region.shares([FACES[0]]).tolist() == [0]


def test_no_polygon_is_no_region():
    with pytest.raises(InputError, match="'nothing' is empty"):
        Region("nothing", S2Polygon())


@pytest.mark.parametrize("points", [[[91, 0]], [[0, 181]], [[float("nan"), 0]], [[1, 2, 3]]])
def test_points_that_do_not_exist_are_refused(points):
    with pytest.raises(InputError):
        parse_region("0,0,1,1").contains(points)


@settings(max_examples=30, deadline=None)
@given(
    south=st.floats(-89.9, 89),
    west=st.floats(-180, 180),
    height=st.floats(0.001, 40),
    width=st.floats(0.001, 350),
)
def test_boxes_have_the_area_of_boxes(south, west, height, width):
    north, east = min(90.0, south + height), (west + width + 180) % 360 - 180
    region = parse_region(f"{south:.6f},{west:.6f},{north:.6f},{east:.6f}")
    turn = (round(east, 6) - round(west, 6)) % 360
    area = np.radians(turn) * (np.sin(np.radians(round(north, 6))) - np.sin(np.radians(round(south, 6))))
    # Parallels are followed to 1.3 m: 2e-7 of the radius, over both sides.
    assert region.polygon.GetArea() == pytest.approx(area, abs=2 * 2.1e-7 * np.radians(turn) + 1e-12)
