"""A source summed up: a country is one country, whatever its pictures call it."""

from PIL import Image

from graticule.data.sources.check import NO_COUNTRY, check_source


def test_a_country_is_counted_once_by_all_its_names(tmp_path):
    labels = [
        "United States",
        "United States of America",
        "US",
        "usa",
        "Vereinigte Staaten",
        "Elbonia",
        "",
        "",
    ]
    places = [(40.0, -100.0)] * 7 + [(0.0, -30.0)]
    lines = ["path,latitude,longitude,country"]
    for number, (label, place) in enumerate(zip(labels, places, strict=True)):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{place[0]},{place[1]},{label}")
    (tmp_path / "truth.csv").write_text("\n".join(lines))
    [check] = check_source("folder", tmp_path)
    assert check.records == len(labels)
    assert check.countries == {"United States": 6, "Elbonia": 1, NO_COUNTRY: 1}
