"""A judge on the whole road: its choice is the estimate, and an answer that is not its own says so."""

import json

import numpy as np
import pytest

from graticule.decoding.judge.config import JudgeConfig
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError
from graticule.locator import Geolocator
from graticule.prediction import Selection


@pytest.fixture(scope="module")
def geolocator(clear_model):
    return Geolocator(clear_model)


@pytest.fixture(scope="module")
def pictures(views_folder):
    return sorted(views_folder.glob("*.png"))[:3]


def config(server, **options):
    return JudgeConfig(url=server.url, model="eye", concurrency=1, attempts=1, **options)


def test_its_choice_is_the_estimate(geolocator, pictures, server):
    server.behaviours = [("says", '{"choice": 3}')]
    chosen = list(geolocator.locate(pictures, judge=config(server)))
    assert [result.selection for result in chosen] == [Selection("judge", tokens=110)] * 3
    best = list(geolocator.locate(pictures, select="log-probability"))
    assert all(
        (c.latitude, c.longitude) != (b.latitude, b.longitude) for c, b in zip(chosen, best, strict=True)
    )
    assert len(server.pictures()) == 3


def test_a_place_of_its_own_may_be_any(geolocator, pictures, server):
    server.behaviours = [("says", '{"latitude": -33.9, "longitude": 18.4}')]
    [result] = geolocator.locate(pictures[:1], judge=config(server, mode="free"))
    assert (result.latitude, result.longitude) == (-33.9, 18.4)
    assert result.radius_km > 0


def test_a_place_of_its_own_outside_the_region_gives_way_to_the_models_and_says_so(
    geolocator, pictures, server
):
    server.behaviours = [("says", '{"latitude": 60.0, "longitude": -120.0}')]
    within = parse_region("4000 km around -10,20")
    [result] = geolocator.locate(pictures[:1], judge=config(server, mode="free"), within=within)
    [own] = geolocator.locate(pictures[:1], select="log-probability", within=within)
    assert (result.latitude, result.longitude) == (own.latitude, own.longitude)
    assert "outside the region" in result.selection.fallback
    assert within.contains((result.latitude, result.longitude))


@pytest.mark.parametrize("behaviour", [("fails", 500), ("says", "I would rather not."), ("hangs_up",)])
def test_a_fallback_is_the_likeliest_candidate_and_says_why(geolocator, pictures, server, behaviour):
    server.behaviours = [behaviour]
    fallen = list(geolocator.locate(pictures, judge=config(server)))
    best = list(geolocator.locate(pictures, select="log-probability"))
    for result, own in zip(fallen, best, strict=True):
        assert result.selection.by == "judge"
        assert result.selection.fallback
        np.testing.assert_allclose(
            (result.latitude, result.longitude), (own.latitude, own.longitude), atol=1e-9
        )


def test_nothing_is_sent_for_any_other_selector(geolocator, pictures, server):
    list(geolocator.locate(pictures, select="similarity", judge=config(server)))
    assert not server.received


def test_a_judge_without_a_server_is_refused(geolocator, pictures):
    with pytest.raises(ConfigError, match="server"):
        next(geolocator.locate(pictures, select="judge"))


def test_the_command_says_what_leaves_first_and_what_fell_back(tiny_model_folder, pictures, server, capsys):
    from graticule.cli import main

    server.behaviours = [("says", '{"choice": 1}'), ("fails", 400)]
    with pytest.raises(SystemExit) as leaving:
        main(
            [
                *("locate", *map(str, pictures[:2]), "--model", str(tiny_model_folder)),
                *("--judge", server.url, "--judge-model", "eye", "--format", "jsonl"),
            ]
        )
    said = capsys.readouterr()
    assert leaving.value.code in (0, None)
    assert "gets every picture as a JPEG" in said.err
    assert "of 2 answers are the model's own" in said.err
    lines = [json.loads(line) for line in said.out.splitlines()]
    fallbacks = [line["selection"]["fallback"] for line in lines]
    assert sum(fallback is not None for fallback in fallbacks) == 1


def test_no_more_than_ten_candidates_are_offered(geolocator, pictures, server):
    server.behaviours = [("says", '{"choice": 1}')]
    list(geolocator.locate(pictures[:1], judge=config(server)))
    [request] = server.requests()
    text = request["messages"][0]["content"][0]["text"]
    assert "10" in text
    assert "\n11" not in text


def test_a_server_that_refuses_the_key_is_asked_once_in_all(geolocator, views_folder, server):
    server.behaviours = [("fails", 401)]
    pictures = sorted(views_folder.glob("*.png"))[:6]
    results = list(geolocator.locate(pictures, judge=config(server), batch_size=2))
    assert all(result.selection.fallback for result in results)
    assert len(server.received) == 1


def test_what_the_server_counted_is_told(geolocator, pictures, server):
    server.behaviours = [("says", '{"choice": 1}')]
    [result] = geolocator.locate(pictures[:1], judge=config(server, prompt_price=1.0, completion_price=2.0))
    assert result.selection.tokens == 110
    assert result.selection.cost == pytest.approx(120e-6)
