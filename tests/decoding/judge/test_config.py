"""Settings that make no sense are named, and the user is told what leaves."""

import pytest

from graticule.decoding.judge.client import Judge
from graticule.decoding.judge.config import JudgeConfig, what_leaves
from graticule.decoding.judge.verdict import JudgeCandidate, Verdict, tally
from graticule.errors import ConfigError, CoordinateError, GraticuleWarning, MissingExtraError

HERE = "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": ""}, "url"),
        ({"url": "api.example.org/v1"}, "url"),
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://example.org:port/v1"}, "url"),
        ({"url": "https://[::1/v1"}, "url"),
        ({"url": "https://example.org/v1\n"}, "url"),
        ({"url": "https://example.org/v1?key=1"}, "url"),
        ({"model": ""}, "model"),
        ({"mode": "poll"}, "mode"),
        ({"attempts": 0}, "attempts"),
        ({"concurrency": 0}, "concurrency"),
        ({"max_side": 0}, "max_side"),
        ({"max_answer_tokens": 0}, "max_answer_tokens"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"longest_wait_s": -1}, "longest_wait_s"),
        ({"prompt_price": 1.0}, "completion_price"),
        ({"prompt_price": -1.0, "completion_price": 1.0}, "prompt_price"),
    ],
)
def test_a_senseless_setting_is_named(settings, named):
    with pytest.raises(ConfigError, match=named):
        JudgeConfig(**({"url": HERE, "model": "eye"} | settings))


def test_a_password_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="api_key_env") as refused:
        JudgeConfig(url="https://me:secret@example.org/v1", model="eye")
    assert "secret" not in str(refused.value)


def test_a_key_that_is_not_there_is_missed_before_anything_is_sent(monkeypatch):
    config = JudgeConfig(url=HERE, model="eye", api_key_env="MY_KEY")
    for value in (None, " ", "schl\u00fcssel"):
        monkeypatch.delenv("MY_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("MY_KEY", value)
        with pytest.raises(ConfigError, match="MY_KEY"):
            Judge(config)


def test_without_the_openai_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[judge\]"):
        Judge(JudgeConfig(url=HERE, model="eye"))


@pytest.mark.parametrize("host", ["example.org", "192.168.1.9:8080", "localhost.example.org", "[fe80::1]"])
def test_an_unencrypted_server_elsewhere_is_warned_of(host):
    config = JudgeConfig(url=f"http://{host}/v1", model="eye")
    with pytest.warns(GraticuleWarning, match="not encrypted"):
        Judge(config)
    assert "unencrypted" in what_leaves(config)


@pytest.mark.parametrize(
    "url", [HERE, "http://localhost/v1", "http://[::1]:1/v1", "https://example.org", "https://10.0.0.1/v1"]
)
def test_other_servers_are_not_warned_of(url):
    Judge(JudgeConfig(url=url, model="eye"))  # a warning would be an error


def test_what_leaves_names_host_and_contents():
    config = JudgeConfig(url="https://api.example.org/v1", model="eye", api_key_env="MY_KEY", max_side=300)
    sentence = what_leaves(config)
    for words in ("api.example.org gets", "JPEG of at most 300 pixels", "GPS", "coordinates", "MY_KEY"):
        assert words in sentence
    assert "this machine" not in sentence
    assert "on this machine" in what_leaves(JudgeConfig(url=HERE, model="eye"))


@pytest.mark.parametrize(
    "values", [(91, 0), (float("nan"), 0), (0, 181), (0, float("inf")), (0, 5, float("nan")), (0, 5, 1.1)]
)
def test_a_candidate_that_does_not_exist_is_refused(values):
    with pytest.raises(CoordinateError, match="candidate"):
        JudgeCandidate(*values)


def test_a_tally_adds_up():
    judged = Verdict(
        1, 2, 3, how="judge", why="", attempts=1, prompt_tokens=100, completion_tokens=7, cost=0.5
    )
    lost = Verdict(
        1, 2, 0, how="fallback", why="HTTP 500", attempts=3, prompt_tokens=0, completion_tokens=0, cost=0.25
    )
    total = tally([judged, lost, lost])
    assert (total.judged, total.fallen_back, total.attempts) == (1, 2, 7)
    assert (total.prompt_tokens, total.completion_tokens, total.cost) == (100, 7, 1.0)
    assert total.reasons == {"HTTP 500": 2}
    assert tally([]).cost is None
