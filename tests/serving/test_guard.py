"""Who may ask, and what every answer carries."""

import httpx
import pytest

from serving.conftest import running

KEY = "s3cret-key"
CSP = {
    "default-src": {"'self'"},
    "img-src": {"'self'", "blob:", "data:"},
    "worker-src": {"'self'", "blob:"},
    "style-src": {"'self'"},
    **{kind: {"'none'"} for kind in ("object-src", "base-uri", "form-action", "frame-ancestors")},
}
"""All that the policy says: nothing inline, nothing evaluated, no other host, and no frame, base or form."""


@pytest.fixture(scope="module")
def guarded():
    from serving.conftest import StandIn

    with running({"stand-in": StandIn()}, allowed_hosts=("maps.example",)) as started:
        yield started


@pytest.fixture(scope="module")
def locked():
    from serving.conftest import StandIn

    with running({"stand-in": StandIn()}, api_key=KEY) as started:
        yield started


def get(server, path="/v1/models", **headers):
    return httpx.get(server.url + path.lstrip("/"), headers=headers, timeout=60)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80", "maps.example", "MAPS.example"]
)
def test_names_it_is_known_by(guarded, host):
    assert get(guarded, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "",
        "[::1",
        "@localhost@evil.example",
    ],
)
def test_other_names_are_turned_away(guarded, host):
    response = get(guarded, Host=host)
    assert response.status_code == 403
    assert response.json()["error"]["type"] == "Forbidden"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_pages_of_others_are_turned_away(guarded, method, headers):
    response = httpx.request(method, guarded.url + "v1/locate", headers=headers, timeout=60)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_its_own_page_may_ask(guarded):
    own = {"Origin": f"http://127.0.0.1:{guarded.port}", "Sec-Fetch-Site": "same-origin"}
    assert get(guarded, **own).status_code == 200


def test_a_link_to_it_may_be_followed(guarded):
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert get(guarded, "/healthz", **followed).status_code == 200


def policy_of(text):
    """A policy as its parts: kind -> sources."""
    parts = [part.split() for part in text.split(";")]
    assert len({part[0] for part in parts}) == len(parts), "of one said twice only the first counts"
    return {kind: set(sources) for kind, *sources in parts}


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/nothing", "/v1/models", "/openapi.json", "/assets/nothing.js"]
)
def test_every_answer_has_the_headers(guarded, path):
    headers = get(guarded, path).headers
    policies = headers.get_list("Content-Security-Policy")
    assert [policy_of(text) for text in policies] == [CSP]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer \xff\xfe"]
)
def test_without_the_key_there_is_no_answer(locked, shown):
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    response = get(locked, **headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert KEY not in response.text


def test_with_the_key_there_is(locked):
    assert get(locked, Authorization=f"Bearer {KEY}").status_code == 200
    assert get(locked, Authorization=f"bearer  {KEY}", Host="any.name.example").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/assets/none.js", "/"])
def test_what_holds_no_secrets_needs_no_key(locked, path):
    assert get(locked, path).status_code != 401


@pytest.mark.parametrize(
    "path", ["/metrics", "/v1/regions", "/v1/review", "/v1/neighbours/orbit/1", "/assets/../v1/models"]
)
def test_all_else_does(locked, path):
    assert get(locked, path).status_code in (401, 404)
    assert "models" not in get(locked, path).text


def test_a_key_keeps_pages_of_others_out_too(locked):
    shown = {"Authorization": f"Bearer {KEY}", "Origin": "http://evil.example"}
    assert get(locked, **shown).status_code == 403
