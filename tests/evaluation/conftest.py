"""Pictures in the layout of a published set, and a made-up world whose probabilities are known."""

import zipfile

import pytest


@pytest.fixture(scope="package")
def street_views(mosaic_file, tmp_path_factory):
    """12 test pictures in the layout of OSV-5M, in a zip, one of them damaged; labels of countries and cities."""
    from graticule.data.orbit.folder import render_folder
    from graticule.data.truth import read_truth
    from graticule.earth.borders import countries_at
    from graticule.earth.places.countries import by_name

    folder = tmp_path_factory.mktemp("osv5m")
    render_folder(mosaic_file, folder / "plain", views=12, seed=2)
    (folder / "images/test").mkdir(parents=True)
    known = read_truth(folder / "plain" / "truth.csv")
    lines = ["id,latitude,longitude,country,region,sub-region,city,creator_username"]
    with zipfile.ZipFile(folder / "images/test/00.zip", "w") as packed:
        for number, row in enumerate(known):
            picture = b"\xff\xd8 cut short" if number == 5 else row.path.read_bytes()
            packed.writestr(f"00/{number}.jpg", picture)
            [name] = countries_at([row.latitude], [row.longitude])
            country = (name and by_name()[name].code) or ""
            lines.append(f"{number},{row.latitude},{row.longitude},{country},,,town {number},ann")
    (folder / "test.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="package")
def world():
    """Makes pictures whose truths are drawn from a gallery's softmax: a model of that temperature is right."""
    import numpy as np
    import torch

    from graticule.earth.cells import TokenScheme
    from graticule.tokens.gallery import GalleryCellModel
    from graticule.tokens.query import Query

    scheme, places = TokenScheme((0, 2, 4)), 200

    def world(count, *, seed, temperature=0.25):
        random = np.random.default_rng(0)
        lat_lon = random.uniform((-80, -180), (80, 180), (places, 2))
        vectors = random.normal(size=(places, 5))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        random = np.random.default_rng(seed)
        queries = random.normal(size=(count, 5))
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        # Gumbel's trick: the largest of scores with such noise is a draw from their softmax.
        drawn = (queries @ vectors.T / temperature + random.gumbel(size=(count, places))).argmax(axis=1)

        def model(temperature):
            tensors = torch.from_numpy(lat_lon), torch.from_numpy(vectors)
            return GalleryCellModel(scheme, *tensors, temperature=temperature, epsilon=1e-4)

        return model, Query({"location": torch.from_numpy(queries).float()}), lat_lon[drawn]

    return world


@pytest.fixture(scope="package")
def judged(world):
    """A model four times too sure, as it is and calibrated, on pictures that neither saw."""
    from graticule.decoding.calibration import Calibration
    from graticule.evaluation.calibration import observe
    from graticule.evaluation.calibration_fit import fit

    model, query, lat_lon = world(1600, seed=3)
    sure = model(0.0625)
    calibration = fit(sure, query, lat_lon=lat_lon, name="sure", fitted_on="draws", width=64)
    _, fresh, truth = world(800, seed=4)
    raw = observe(Calibration.none(sure, width=64), sure, fresh, lat_lon=truth)
    return calibration, raw, observe(calibration, sure, fresh, lat_lon=truth)
