"""Blending: what is conserved, what is pulled where, and weights that are found again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.decoding.blend import Blend, blended, evidence
from graticule.decoding.calibration import Calibration
from graticule.decoding.density import density
from graticule.earth.cells import TokenScheme
from graticule.earth.sphere import unit_vectors
from graticule.errors import ConfigError
from graticule.evaluation.calibration import observe
from graticule.evaluation.calibration_fit import fit, fit_blend
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 2, 4, 6))


class Globe:
    """An alignment whose vectors are the points of the sphere themselves: near is alike."""

    scale = torch.tensor(200.0)

    def images(self, features):
        return functional.normalize(features, dim=-1)

    def locations(self, lat_lon):
        return unit_vectors(lat_lon.double()).float()


def world(count, *, seed=0, scatter=0.05):
    """A gallery that knows the rough place, and pictures whose vectors point near their own."""
    random = np.random.default_rng(seed)
    lat_lon = np.stack([random.uniform(-60, 60, count), random.uniform(-180, 180, count)], axis=1)
    towards = unit_vectors(torch.from_numpy(lat_lon))
    blurred = towards + 0.2 * torch.from_numpy(random.normal(size=towards.shape))
    model = GalleryCellModel(
        SCHEME,
        torch.from_numpy(lat_lon),
        functional.normalize(blurred, dim=-1).float(),
        temperature=0.05,
        epsilon=0.05,
    )
    seen = towards + scatter * torch.from_numpy(random.normal(size=towards.shape))
    return model, Query({"location": functional.normalize(seen, dim=-1).float()}), lat_lon


@settings(max_examples=20, deadline=None)
@given(cells=st.floats(0.1, 2), similarity=st.floats(0, 3), level=st.integers(0, 6), most=st.integers(1, 90))
def test_mass_moves_only_among_the_cells_that_are_compared(cells, similarity, level, most):
    model, query, _ = world(5)
    before = density(model, query, width=4)
    blend = Blend(cells=cells, similarity=similarity, coarsest_level=level, most=most)
    after = blended(before, query, Globe(), blend)
    seen = evidence(before, query, Globe(), coarsest_level=level, most=most)
    np.testing.assert_allclose(after.total, before.total)
    assert (np.diff(after.mass / np.where(after.area_km2 > 0, after.area_km2, np.inf), axis=1) <= 1e-18).all()
    for row in range(5):
        compared = set(before.cells[row, seen.columns[row][seen.real[row]]].tolist())
        assert len(compared) <= most
        old = dict(zip(before.cells[row].tolist(), before.mass[row], strict=True))
        new = dict(zip(after.cells[row].tolist(), after.mass[row], strict=True))
        assert old.keys() == new.keys()
        assert all(new[cell] == old[cell] for cell in old if cell not in compared)


def test_equal_weights_of_nothing_change_nothing():
    model, query, _ = world(4)
    before = density(model, query, width=4)
    same = blended(before, query, Globe(), Blend(cells=1, similarity=0, coarsest_level=0))
    np.testing.assert_allclose(same.mass, before.mass, atol=1e-12)


def test_the_alignment_pulls_the_answer_to_where_it_points():
    model, query, lat_lon = world(40)
    before = density(model, query, width=4)
    after = blended(before, query, Globe(), Blend(cells=1, similarity=2, coarsest_level=4))
    rows, column = np.arange(40), [found.holding(*lat_lon.T) for found in (before, after)]
    assert (after.mass[rows, column[1]] >= before.mass[rows, column[0]]).mean() > 0.8


def test_a_query_without_location_vectors_is_refused():
    model, query, _ = world(2)
    found = density(model, query)
    with pytest.raises(ConfigError, match="location"):
        evidence(found, Query({"image": query.vectors["location"]}), Globe(), coarsest_level=0, most=8)


def test_a_blend_without_its_alignment_is_refused():
    model, query, _ = world(2)
    blend = Blend(cells=1, similarity=1, coarsest_level=0)
    calibration = Calibration.none(model).model_copy(update={"blend": blend})
    with pytest.raises(ConfigError, match="alignment"):
        calibration.density(model, query)


def test_fitted_weights_are_the_likeliest():
    model, query, lat_lon = world(200)
    raw = Calibration.none(model, mass=1.0, width=4)
    best, told = fit_blend([(raw.density(model, query), query, lat_lon)], Globe(), coarsest_level=2)

    def nats(blend):
        changed = raw.model_copy(update={"blend": blend})
        return observe(changed, model, query, lat_lon=lat_lon, alignment=Globe()).nats.mean()

    assert nats(best) == pytest.approx(told, rel=1e-9)
    assert told < nats(None)
    for factor in (0.8, 1.25):
        assert told <= nats(best.model_copy(update={"cells": best.cells * factor})) + 1e-9
        assert told <= nats(best.model_copy(update={"similarity": best.similarity * factor})) + 1e-9


def test_an_alignment_that_knows_nothing_is_not_heard():
    model, query, lat_lon = world(300)

    class Noise(Globe):
        def locations(self, lat_lon):
            # Any point, as long as it is none near the place.
            return unit_vectors(lat_lon.double() * torch.tensor([-0.7, 53.0])).float()

    found = Calibration.none(model).density(model, query)
    fitted = fit_blend([(found, query, lat_lon)], Noise(), coarsest_level=2)
    assert fitted is None or fitted[0].similarity < 0.05


def test_none_is_fitted_where_no_true_cell_is_compared():
    model, query, lat_lon = world(3)
    found = Calibration.none(model).density(model, query)
    assert fit_blend([(found, query, lat_lon)], Globe(), coarsest_level=20) is None


def test_a_fit_with_an_alignment_keeps_its_word_on_other_pictures():
    """Regions hold the truth as often as they say, within what 400 pictures can show."""
    model, query, lat_lon = world(1600)
    order = np.random.default_rng(1).permutation(1600)
    learn, other = torch.from_numpy(order[:1200]), torch.from_numpy(order[1200:])
    fitted = fit(
        model, query[learn], lat_lon=lat_lon[learn], name="m", fitted_on="p", alignment=Globe(), width=4
    )
    assert fitted.blend is not None
    assert Calibration.from_json(fitted.to_json()) == fitted
    seen = observe(fitted, model, query[other], lat_lon=lat_lon[other], alignment=Globe())
    for asked in (0.5, 0.8, 0.9):
        assert seen.region_covers[:, round(100 * asked) - 1].mean() == pytest.approx(asked, abs=0.08)
        assert seen.circle_covers[:, round(100 * asked) - 1].mean() == pytest.approx(asked, abs=0.08)
