"""Which pictures a batch is of."""

from PIL import Image

from graticule.batch.pictures import digest_of, listed, without_gps
from graticule.images.address import Address


def test_a_list_is_told_by_names_order_and_state(tmp_path):
    for name in ("a", "b", "\udce9"):
        (tmp_path / name).write_text("x")
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "\udce9", tmp_path / "gone", tmp_path / "null\0"]
    first = listed(paths)
    assert first[0].bytes == 1
    assert first[3].state() is None
    assert digest_of(first) == digest_of(listed(paths))
    assert digest_of(first) != digest_of(listed(paths[::-1]))
    (tmp_path / "b").write_text("xy")
    assert digest_of(first) != digest_of(listed(paths))


def test_addresses_have_no_state_and_differ_by_what_they_ask_for(tmp_path):
    one, other = (listed([Address(f"https://a.example/get?id={number}")]) for number in (1, 2))
    assert one[0].state() is None
    assert digest_of(one) != digest_of(other)
    assert digest_of(one) == digest_of(listed([Address("https://a.example/get?id=1")]))


def test_only_a_place_to_be_believed_lets_a_picture_be_left_out(tmp_path):
    def photo(name, gps):
        exif = Image.Exif()
        exif[0x8825] = gps
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
        return tmp_path / name

    good = photo("good.jpg", {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    null = photo("null.jpg", {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)})
    bad = tmp_path / "bad.jpg"
    bad.touch()
    told = []
    assert without_gps([bad, good, null], progress=lambda *done: told.append(done)) == [bad, null]
    assert told[-1] == (3, 3)
