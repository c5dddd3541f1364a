"""`graticule fit` at the command line: what it says, and with which exit status."""

from PIL import Image


def test_too_few_photos_are_told_with_what_to_do(run, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"photos/{number}.jpg")
    status, out, err = run("fit", tmp_path / "photos", "--out", tmp_path / "mine")
    assert status == 2
    assert "0 photos have a place" in out
    assert "3 not used: no EXIF in the picture" in err
    assert "200 are needed" in err
    assert "--truth" in err
    assert not (tmp_path / "mine").exists()


def test_a_run_out_of_time_says_how_to_go_on(run, tiny_model_folder, views_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("graticule.training.fit.LEAST_PHOTOS", 20)
    monkeypatch.setattr("graticule.training.fit.LEAST_IN_A_PART", 1)
    given = ["fit", views_folder, "--truth", views_folder / "truth.csv", "--encoder", tiny_model_folder]
    status, out, _ = run(*given, "--out", tmp_path / "mine", "--minutes", "0")
    assert status == 0
    assert "24 photos have a place" in out
    assert "run the same command again" in out
    assert not (tmp_path / "mine/manifest.json").exists()
    assert (tmp_path / "mine/run/run.json").exists()
