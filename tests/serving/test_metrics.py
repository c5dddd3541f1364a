"""What is counted and logged, and what is not."""

import logging

import httpx

from asking import FORM, form, png
from serving.conftest import running

SECRET = "grandmother-at-the-lake.png"


def test_requests_and_pictures_are_counted_by_route(stand_in):
    with running({"stand-in": stand_in}) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        body = form(("pictures", SECRET, png()), ("pictures", "letter.txt", b"Dear Sir"))
        assert client.post("/v1/locate", content=body, headers=FORM).status_code == 200
        assert client.post("/v1/locate", content=b"", headers=FORM).status_code == 400
        assert client.get(f"/{SECRET}").status_code == 404
        response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    counted = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
    assert counted['graticule_requests_total{route="/v1/locate",status="200"}'] == "1.0"
    assert counted['graticule_requests_total{route="/v1/locate",status="400"}'] == "1.0"
    assert counted['graticule_requests_total{route="other",status="404"}'] == "1.0"
    assert counted['graticule_request_seconds_count{route="/v1/locate"}'] == "2.0"
    assert counted['graticule_refusals_total{status="400"}'] == "1.0"
    assert counted['graticule_pictures_total{model="stand-in",outcome="answered"}'] == "1.0"
    assert counted['graticule_pictures_total{model="stand-in",outcome="refused"}'] == "1.0"
    assert counted["graticule_batch_pictures_count"] == "1.0"
    assert counted["graticule_queued_pictures"] == counted["graticule_held_bytes"] == "0.0"
    assert "grandmother" not in response.text


def test_the_log_has_no_names_of_files(stand_in, caplog):
    with caplog.at_level(logging.DEBUG), running({"stand-in": stand_in}) as server:
        body = form(("pictures", SECRET, b"no picture"))
        assert httpx.post(f"{server.url}v1/locate", content=body, headers=FORM, timeout=60).status_code == 200
        httpx.get(f"{server.url}{SECRET}")
    ours = [
        record.getMessage() for record in caplog.records if record.name.startswith(("graticule", "uvicorn"))
    ]
    assert any(line.startswith("POST /v1/locate 200 ") for line in ours)
    assert any(line.startswith("GET other 404 ") for line in ours)
    assert "grandmother" not in "\n".join(ours)
