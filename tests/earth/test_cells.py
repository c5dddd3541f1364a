import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, CoordinateError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "geotoken_tokens.json").read_text())["points"]
GEOTOKEN = TokenScheme.uniform(20)

schemes = st.sets(st.integers(0, s2.MAX_LEVEL), min_size=1).map(
    lambda levels: TokenScheme(tuple(sorted(levels)))
)


def test_the_scheme_of_geotoken():
    assert GEOTOKEN.levels == (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
    assert GEOTOKEN.length == 11
    assert GEOTOKEN.vocabulary == (6, *[16] * 10)
    assert GEOTOKEN.offsets == (0, *range(6, 151, 16))
    assert GEOTOKEN.offsets[-1] + GEOTOKEN.vocabulary[-1] == 166


@pytest.mark.parametrize("point", GOLDEN, ids=lambda p: f"{p['lat']},{p['lon']}")
def test_golden_vectors_of_geotoken(point):
    assert GEOTOKEN.encode([point["lat"]], [point["lon"]]).tolist() == [point["tokens"]]
    assert GEOTOKEN.decode(point["tokens"]) == s2.cell_ids(point["lat"], point["lon"], level=20)


def test_the_last_group_of_a_uniform_scheme_may_be_shorter():
    assert TokenScheme.uniform(7, 3).levels == (0, 3, 6, 7)
    assert TokenScheme.uniform(7, 3).vocabulary == (6, 64, 64, 4)
    assert TokenScheme.uniform(0).levels == (0,)


def test_the_first_token_may_be_finer_than_a_face():
    scheme = TokenScheme((3, 5))
    assert scheme.vocabulary == (6 * 64, 16)
    cells = s2.cell_ids(*np.meshgrid(np.linspace(-90, 90, 181), np.linspace(-180, 180, 361)), level=3)
    assert len(np.unique(cells)) == 6 * 64
    assert set(scheme.encode_ids(s2.children(s2.children(cells)))[..., 0].ravel().tolist()) == set(
        range(6 * 64)
    )


@given(schemes, st.floats(-90, 90), st.floats(-180, 180))
def test_tokens_are_in_range_and_every_prefix_decodes_to_the_cell_of_its_level(scheme, lat, lon):
    tokens = scheme.encode([lat], [lon])
    assert tokens.shape == (1, scheme.length)
    assert tokens.dtype == np.int64
    assert (tokens >= 0).all()
    assert (tokens < scheme.vocabulary).all()
    for t, level in enumerate(scheme.levels, start=1):
        assert scheme.decode(tokens[:, :t]) == s2.cell_ids([lat], [lon], level=level)


@given(schemes, st.data())
def test_every_sequence_in_range_is_a_cell_that_encodes_to_it(scheme, data):
    tokens = [data.draw(st.integers(0, size - 1)) for size in scheme.vocabulary]
    cell = scheme.decode(tokens)
    assert s2.is_valid(cell)
    assert scheme.encode_ids(cell).tolist() == tokens
    centre = scheme.centres(tokens)
    np.testing.assert_array_equal(centre, s2.centres(cell))
    assume(scheme.levels[-1] < s2.MAX_LEVEL)
    assert scheme.encode(*centre).tolist() == tokens


def test_cells_finer_than_the_scheme_take_the_tokens_of_the_cell_that_holds_them():
    lat, lon = np.linspace(-80, 80, 50), np.linspace(-170, 170, 50)
    np.testing.assert_array_equal(GEOTOKEN.encode_ids(s2.cell_ids(lat, lon)), GEOTOKEN.encode(lat, lon))


def test_shapes_are_kept():
    tokens = GEOTOKEN.encode(np.zeros((2, 3)), np.ones((2, 3)))
    assert tokens.shape == (2, 3, 11)
    assert GEOTOKEN.decode(tokens[..., :4]).shape == (2, 3)
    assert GEOTOKEN.centres(tokens)[1].shape == (2, 3)
    assert GEOTOKEN.encode([], []).shape == (0, 11)
    assert GEOTOKEN.decode(np.empty((0, 11), dtype=np.int64)).shape == (0,)


@pytest.mark.parametrize(("place", "token"), [(0, 6), (0, -1), (5, 16), (10, -3)])
def test_a_token_out_of_range_is_refused_by_row_and_place(place, token):
    tokens = np.zeros((10_000, 11), dtype=np.int64)
    tokens[9_000, place] = token
    with pytest.raises(CoordinateError, match=f"token {token} at row 9000, place {place} is not in"):
        GEOTOKEN.decode(tokens)


@pytest.mark.parametrize("tokens", [[0.5], [[1.0]], [True]])
def test_tokens_that_are_not_integers_are_refused(tokens):
    with pytest.raises(CoordinateError, match="integers"):
        GEOTOKEN.decode(tokens)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (12,)])
def test_no_tokens_or_too_many_are_refused(shape):
    with pytest.raises(CoordinateError, match="1 to 11 tokens"):
        GEOTOKEN.decode(np.zeros(shape, dtype=np.int64))


def test_points_off_the_earth_and_cells_too_coarse_are_refused():
    with pytest.raises(CoordinateError, match="latitude nan at index 0"):
        GEOTOKEN.encode([np.nan], [0])
    with pytest.raises(CoordinateError, match="coarser than level 20"):
        GEOTOKEN.encode_ids(s2.cell_ids([0], [0], level=19))


@pytest.mark.parametrize("levels", [(), (-1, 2), (2, 31), (0, 2, 2), (4, 2)])
def test_levels_that_make_no_scheme_are_refused(levels):
    with pytest.raises(ConfigError, match="levels"):
        TokenScheme(levels)


@pytest.mark.parametrize(("level", "step"), [(31, 2), (-1, 2), (20, 0)])
def test_a_uniform_scheme_that_makes_no_sense_is_refused(level, step):
    with pytest.raises(ConfigError):
        TokenScheme.uniform(level, step)
