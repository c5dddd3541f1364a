"""Pulling a published model, from a wheel and a hub that are small and run here."""

import hashlib
import io
import json
import re
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig
from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.errors import ConfigError, InputError, ModelFormatError, ModelNotFoundError
from graticule.model import Model
from graticule.pull import geoclip, plan, pull, tower
from graticule.pull import wheel as wheels
from graticule.pull.remote import RemoteFile
from graticule.store import ModelFolder

SIZES = ClipEncoderConfig(size=28, patch=14, hidden=16, feed_forward=32, layers=2, heads=2, width=768)
PLACES = [(48.86, 2.35), (-33.86, 151.21), (40.7, -74.0)]


class Hub(ThreadingHTTPServer):
    """Files by path, and the ways in which servers fail.

    Attributes:
        files: path -> bytes.
        ranges: whether parts can be asked for.
        cut: connections that break after so many bytes, one after another.
        errors: status codes of the next answers.
        asked: (path, Range) of every request.
        linked: the digest that is given with a redirect; without it there is none.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cut, self.errors = {}, [], [], []
        self.ranges, self.linked = True, None
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        hub.asked.append((self.path, self.headers.get("Range")))
        if hub.errors:
            return self.send_error(hub.errors.pop(0))
        if hub.linked and not self.path.startswith("/store"):
            self.send_response(302)
            self.send_header("Location", f"{hub.url}/store{self.path}")
            self.send_header("X-Linked-ETag", f'"{hub.linked}"')
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data = hub.files.get(self.path.removeprefix("/store"))
        if data is None:
            return self.send_error(404)
        first, end, whole = 0, len(data), len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and hub.ranges:
            first, end = int(asked[1]), min(int(asked[2]) + 1, whole)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{whole}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - first))
        self.send_header("ETag", hashlib.md5(data).hexdigest())
        self.end_headers()
        cut = hub.cut.pop(0) if hub.cut else None
        self.wfile.write(data[first:end] if cut is None else data[first : min(end, first + cut)])

    def log_message(self, *words):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A tiny CLIP in the Hugging Face layout, text tower included."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    tensors = {name: tensor.contiguous() for name, tensor in ClipEncoder(SIZES).tower.state_dict().items()}
    others = {
        "logit_scale": torch.tensor(4.6),
        "text_model.embeddings.token_embedding.weight": torch.rand(99, 64),
    }
    counted = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file({**tensors, **others, **counted}, folder / "model.safetensors", metadata={"format": "pt"})
    vision = {"image_size": 28, "patch_size": 14, "hidden_size": 16, "intermediate_size": 32}
    vision |= {"num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 512}
    config = {"model_type": "clip", "projection_dim": 768, "vision_config": vision}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def published(clip_folder, hub, monkeypatch):
    """That CLIP, published on the hub."""
    config = (clip_folder / "config.json").read_bytes()
    weights = (clip_folder / "model.safetensors").read_bytes()
    known = tower.Published(
        repository="someone/clip",
        revision="c0ffee",
        sizes=SIZES,
        config_bytes=len(config),
        config_sha256=hashlib.sha256(config).hexdigest(),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        weights_bytes=len(weights),
    )
    hub.files = {
        "/someone/clip/resolve/c0ffee/config.json": config,
        "/someone/clip/resolve/c0ffee/model.safetensors": weights,
    }
    monkeypatch.setattr(geoclip, "CLIP", known)
    return known


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel laid out as the package's, with heads of its own and three places."""
    alignment = GeoClipAlignment(GeoClipAlignmentConfig(), seed=1)
    head, location = {}, {}
    for name, tensor in alignment.state_dict().items():
        if name.startswith("image_head."):
            head[name.removeprefix("image_head.")] = tensor
        elif name.endswith("frequencies"):
            location[f"LocEnc{name.split('.')[1]}.capsule.0.b"] = tensor.T
        elif name != "log_scale":
            _, branch, _, layer, kind = name.split(".")
            part = "head.0" if layer == "6" else f"capsule.{int(layer) + 1}"
            location[f"LocEnc{branch}.{part}.{kind}"] = tensor
    parts = {
        "image_encoder_mlp": head,
        "location_encoder": location,
        "logit_scale": alignment.log_scale.detach(),
    }
    path = tmp_path / "geoclip-1.3.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            stored = io.BytesIO()
            torch.save(content, stored)
            archive.writestr(f"geoclip/model/weights/{name}_weights.pth", stored.getvalue())
        rows = "\n".join(f"{lat},{lon}" for lat, lon in PLACES)
        archive.writestr("geoclip/model/gps_gallery/coordinates_100K.csv", f"LAT,LON\n{rows}\n")
    monkeypatch.setattr(wheels, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("GRATICULE_MODELS", str(folder))
    return folder


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_published_file_is_fetched(published, hub, clip_folder, tmp_path):
    seen = []
    tower.fetch_clip(published, tmp_path, progress=lambda *at: seen.append(at))
    assert files_of(tmp_path) == files_of(clip_folder)
    assert seen[-1] == (published.weights_bytes, published.weights_bytes)


def test_a_server_without_ranges_will_do(published, hub, clip_folder, tmp_path):
    hub.ranges = False
    tower.fetch_clip(published, tmp_path)
    assert files_of(tmp_path) == files_of(clip_folder)


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connections_and_passing_errors_are_borne(published, hub, clip_folder, tmp_path, ranges):
    hub.ranges = ranges
    hub.errors = [503, 429]
    hub.cut = [None, None, 5, 40_000 if ranges else None, 100, 0, 50_000]
    tower.fetch_clip(published, tmp_path)
    assert files_of(tmp_path) == files_of(clip_folder)


def test_an_interrupted_download_goes_on(published, hub, clip_folder, tmp_path):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tower.fetch_clip(published, tmp_path, progress=interrupt)
    assert not (tmp_path / "model.safetensors").exists()
    part = tmp_path / "model.safetensors.part"
    with part.open("rb+") as file:
        file.truncate(part.stat().st_size - 30_000)
    hub.asked.clear()
    tower.fetch_clip(published, tmp_path)
    first, end = map(int, re.findall(r"\d+", hub.asked[-1][1]))
    assert end - first + 1 == 30_000
    assert files_of(tmp_path) == files_of(clip_folder)


def test_a_beginning_of_another_file_is_found_out_and_thrown_away(published, clip_folder, tmp_path):
    (tmp_path / "model.safetensors.part").write_bytes(b"x" * 20_000)
    with pytest.raises(ModelFormatError, match=r"tampered with, and thrown away"):
        tower.fetch_clip(published, tmp_path)
    tower.fetch_clip(published, tmp_path)
    assert files_of(tmp_path) == files_of(clip_folder)


def test_a_server_that_stays_away_is_given_up(published, hub, tmp_path):
    hub.errors = [503] * 99
    with pytest.raises(InputError, match=r"503.*run the command again"):
        tower.fetch_clip(published, tmp_path)
    assert len(hub.asked) == 6
    hub.errors = [404]
    with pytest.raises(InputError, match="404"):
        tower.fetch_clip(published, tmp_path)
    assert len(hub.asked) == 7


def test_other_files_than_the_published_are_refused(published, hub, tmp_path):
    config, weights = hub.files
    hub.files[weights] += b"0"
    with pytest.raises(ModelFormatError, match="but the file of someone/clip has"):
        tower.fetch_clip(published, tmp_path)
    hub.files[weights] = b"\xff" * published.weights_bytes
    with pytest.raises(ModelFormatError, match="what came has the SHA-256"):
        tower.fetch_clip(published, tmp_path)
    hub.files[config] = hub.files[config].replace(b"28", b"56")
    with pytest.raises(ModelFormatError, match=r"not the config\.json"):
        tower.fetch_clip(published, tmp_path)


def test_the_digest_a_hub_gives_with_its_redirect_is_held_against_the_published_one(published, hub, tmp_path):
    hub.linked = published.weights_sha256
    tower.fetch_clip(published, tmp_path / "good")
    hub.linked = "0" * 64
    with pytest.raises(ModelFormatError, match="SHA-256 0000"):
        tower.fetch_clip(published, tmp_path / "bad")


@pytest.mark.parametrize("where", ["first", "tower", "last"])
@pytest.mark.parametrize("linked", [False, True], ids=["hub says nothing", "hub lies"])
def test_weights_that_were_tampered_with_are_never_installed(
    published, hub, wheel, models, clip_folder, where, linked
):
    """One bit, anywhere, of a file of the right length, from a server that lies of its digest or says none."""
    [path] = [name for name in hub.files if name.endswith("tensors")]
    whole = hub.files[path]
    at = {"first": 0, "tower": len(whole) // 2, "last": len(whole) - 1}[where]
    hub.files[path] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    hub.linked = published.weights_sha256 if linked else None
    with pytest.raises(ModelFormatError, match="tampered with, and thrown away"):
        pull(plan("geoclip", wheel=wheel))
    assert not (models / "geoclip").exists()
    assert not [file for file in models.rglob("*") if "model.safetensors" in file.name]
    with pytest.raises(ModelNotFoundError):
        Model.open("geoclip")
    hub.files[path] = whole
    pull(plan("geoclip", wheel=wheel))
    assert Model.open("geoclip").config.name == "geoclip"
    assert [entry.name for entry in models.iterdir()] == ["geoclip"]


def test_a_file_that_changes_meanwhile_is_refused(hub):
    hub.files["/a"] = b"abcdef"
    remote = RemoteFile(f"{hub.url}/a")
    assert remote.read(2, 4) == b"cd"
    hub.files["/a"] = b"ABCDEF"
    with pytest.raises(InputError, match="changed while it was being read"):
        remote.read(0, 2)


def test_pulling_installs_a_model_that_answers(published, wheel, models, clip_folder):
    todo = plan("geoclip", wheel=wheel)
    assert todo.folder == models / "geoclip"
    assert todo.total_bytes == published.weights_bytes
    assert {item.licence for item in todo.items} == {"MIT"}
    assert not models.exists()
    lines, seen = [], []
    folder = pull(todo, report=lines.append, progress=lambda *at: seen.append(at))
    assert folder == todo.folder
    assert seen[-1] == (todo.total_bytes, todo.total_bytes)
    assert [path.name for path in models.iterdir()] == ["geoclip"]
    model = Model.open("geoclip")
    encoder = ClipEncoder.from_folder(clip_folder)
    assert all(torch.equal(t, encoder.state_dict()[name]) for name, t in model.encoder.state_dict().items())
    torch.testing.assert_close(model.gallery.lat_lon, torch.tensor(PLACES, dtype=torch.float64))
    expected = model.alignment.locations(model.gallery.lat_lon)
    torch.testing.assert_close(model.gallery.vectors, expected, atol=2e-5, rtol=0)
    pixels = torch.randint(256, (2, 3, 28, 28), dtype=torch.uint8)
    query = model.query(pixels)
    torch.testing.assert_close(query.vectors["location"].norm(dim=1), torch.ones(2))
    card = (folder / "MODEL_CARD.md").read_text()
    assert "c0ffee" in card
    assert published.weights_sha256 in card
    assert "MIT" in card


def test_what_is_installed_is_not_fetched_again(published, hub, wheel, models):
    pull(plan("geoclip", wheel=wheel))
    before = ModelFolder(models / "geoclip").config(), len(hub.asked)
    again = plan("geoclip", wheel=wheel)
    assert again.installed
    assert again.total_bytes == 0
    lines = []
    assert pull(again, report=lines.append) == models / "geoclip"
    assert "already" in lines[0]
    assert (ModelFolder(models / "geoclip").config(), len(hub.asked)) == before


def test_an_interrupted_pull_leaves_no_model_and_fetches_nothing_twice(published, hub, wheel, models):
    def interrupt(line):
        if line.startswith("Encoding"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(plan("geoclip", wheel=wheel), report=interrupt)
    assert not (models / "geoclip").exists()
    assert not plan("geoclip", wheel=wheel).installed
    first = len(hub.asked)
    pull(plan("geoclip", wheel=wheel))
    assert len(hub.asked) - first < first, "the tower was there already"
    Model.open("geoclip")


def test_a_local_copy_of_clip_needs_no_hub(published, hub, wheel, models, clip_folder):
    todo = plan("geoclip", wheel=wheel, clip=clip_folder)
    assert todo.total_bytes == 0
    lines = []
    pull(todo, report=lines.append)
    assert not hub.asked
    assert any("is that of someone/clip" in line for line in lines)


def test_another_clip_is_refused(published, wheel, models, clip_folder, monkeypatch):
    other = tower.Published(**{**vars(published), "sizes": SIZES.model_copy(update={"heads": 4})})
    monkeypatch.setattr(geoclip, "CLIP", other)
    with pytest.raises(ModelFormatError, match="not a CLIP ViT-L/14"):
        pull(plan("geoclip", wheel=wheel, clip=clip_folder))


def test_another_wheel_is_refused(published, wheel, models, clip_folder):
    wheel.write_bytes(wheel.read_bytes() + b"0")
    with pytest.raises(ModelFormatError, match="its SHA-256 is"):
        pull(plan("geoclip", wheel=wheel, clip=clip_folder))
    assert not (models / "geoclip").exists()


def test_room_is_made_sure_of_first(published, hub, wheel, models, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(InputError, match=r"1\.0 GB are free and 1\.6 GB are needed"):
        pull(plan("geoclip", wheel=wheel))
    assert not hub.asked


def test_a_disk_that_fills_up_is_told(published, models):
    def full(line):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"No space left.*run the command again"):
        pull(plan("geoclip"), report=full)


def test_a_folder_that_is_no_model_is_left_alone(published, hub, wheel, models):
    (models / "geoclip").mkdir(parents=True)
    with pytest.raises(InputError, match="is not a model; move it away"):
        pull(plan("geoclip", wheel=wheel))


def test_mistakes_are_named(models, tmp_path, monkeypatch):
    with pytest.raises(ModelNotFoundError, match="geocilp"):
        plan("geocilp")
    with pytest.raises(InputError, match=r"none\.whl"):
        plan("geoclip", wheel=tmp_path / "none.whl")
    for address in ("ftp://x", "http://hub.example"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(ConfigError, match="HF_ENDPOINT"):
            plan("geoclip")


def test_the_wheel_is_fetched_without_its_dependencies_and_not_run(monkeypatch, tmp_path):
    def run(command, **options):
        assert {"--no-deps", "--only-binary"} <= set(command)
        assert command[-1] == "geoclip==1.3.0"
        (tmp_path / "geoclip-1.3.0-py3-none-any.whl").write_bytes(b"")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", run)
    assert wheels.fetch_wheel(tmp_path).name == "geoclip-1.3.0-py3-none-any.whl"


def test_pip_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match=r"geoclip==1\.3\.0 .*--wheel"):
        wheels.fetch_wheel(tmp_path)


def test_what_the_plan_says_of_the_real_thing(models, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    todo = plan("geoclip")
    assert [item.source for item in todo.items] == [
        "PyPI: geoclip==1.3.0 (by pip)",
        "https://huggingface.co/openai/clip-vit-large-patch14 at 32bd642",
    ]
    assert todo.total_bytes == 1_710_540_580 + wheels.BYTES
