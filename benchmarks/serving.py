"""How fast the service answers 16 clients at once, against the library called directly on the same pictures.

    python benchmarks/serving.py --output benchmarks/results/serving.json

`graticule serve` runs as a process of its own. The clients, threads of this one, keep their connections and send their
next request as soon as the last is answered; of the requests half hold one picture and the others 2 to 8. Library and
service take turns. Two kinds of answer are compared like with like:

    estimate   `Geolocator.locate` as it is, and /v1/locate with detail=estimate
    answer     the same with names of places and words put to each answer, in the library by the code of the service
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

import torch

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import training_mosaic_path
from graticule.images.batches import walk
from graticule.locator import Geolocator
from graticule.serving.describe import Detail, described
from service.server import served
from service.wire import FORM, form

DETAILS: tuple[Detail, ...] = ("estimate", "answer")
BATCH = 64


def requests(pictures: list[Path], detail: Detail) -> list[tuple[bytes, int]]:
    """Bodies that hold all the pictures in order, and how many each holds."""
    chance, bodies, start = random.Random(0), [], 0
    while start < len(pictures):
        some = pictures[start : start + chance.choice([1, chance.randint(2, 8)])]
        bodies.append((_form(some, detail), len(some)))
        start += len(some)
    return bodies


def _form(pictures: list[Path], detail: str) -> bytes:
    parts = [("pictures", str(path), path.read_bytes()) for path in pictures]
    return form([*parts, ("detail", None, detail.encode())])


def ask(port: int, bodies: list[tuple[bytes, int]], clients: int) -> tuple[float, list[float], list[bytes]]:
    """Have all requests answered: seconds in all, seconds of each, and the answers in order."""
    waiting, lock = iter(enumerate(bodies)), threading.Lock()
    latencies, answers = [0.0] * len(bodies), [b""] * len(bodies)

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                number, (body, _) = next(waiting, (-1, (b"", 0)))
            if number < 0:
                return
            start = time.perf_counter()
            connection.request("POST", "/v1/locate", body, FORM)
            response = connection.getresponse()
            answers[number] = response.read()
            latencies[number] = time.perf_counter() - start
            if response.status != 200:
                raise RuntimeError(answers[number].decode())

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, latencies, answers


def directly(geolocator: Geolocator, pictures: list[Path], detail: Detail) -> tuple[float, list[dict]]:
    """The library's answers, and seconds in all."""
    start = time.perf_counter()
    results = list(geolocator.locate(pictures, batch_size=BATCH))
    told = described(results, detail, language="en", thumbnails=None)
    return time.perf_counter() - start, told


def alike(told: list[dict], answers: list[bytes]) -> float:
    """The largest difference in degrees between estimates of the library and the service."""
    served = [result for answer in answers for result in json.loads(answer)["results"]]
    return max(
        abs(one[name] - other[name])
        for one, other in zip(told, served, strict=True)
        for name in ("latitude", "longitude")
    )


def measure(
    port: int, geolocator: Geolocator, pictures: list[Path], detail: Detail, clients: int, repeats: int
) -> dict[str, float]:
    """The figures of one kind of answer: medians over the repeats, latencies of all of them."""
    bodies = requests(pictures, detail)
    library, service, latencies = [], [], []
    _, told = directly(geolocator, pictures, detail)
    apart = alike(told, ask(port, bodies, clients)[2])
    for _ in range(repeats):
        library.append(len(pictures) / directly(geolocator, pictures, detail)[0])
        took, each, _ = ask(port, bodies, clients)
        service.append(len(pictures) / took)
        latencies += each
    shares = statistics.quantiles(latencies, n=100)
    return {
        "library_pictures_s": statistics.median(library),
        "service_pictures_s": statistics.median(service),
        "service_of_library": statistics.median(
            one / other for one, other in zip(service, library, strict=True)
        ),
        "requests_s": statistics.median(service) * len(bodies) / len(pictures),
        "latency_p50_ms": 1000 * shares[49],
        "latency_p99_ms": 1000 * shares[98],
        "estimates_apart_deg": apart,
    }


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "serving.json")
    options = parser.parse_args()
    figures: dict[str, object] = {
        "model": options.model,
        "pictures": options.pictures,
        "clients": options.clients,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }
    with tempfile.TemporaryDirectory() as scratch, served(options.model) as server:
        folder = Path(scratch)
        render_folder(training_mosaic_path(), folder, views=options.pictures, seed=2)
        geolocator = Geolocator.load(options.model)
        for detail in DETAILS:
            found = measure(server.port, geolocator, walk([folder]), detail, options.clients, options.repeats)
            figures[detail] = found
            print(
                f"{detail:8}  library {found['library_pictures_s']:5.0f} pictures/s   service "
                f"{found['service_pictures_s']:5.0f}   {found['service_of_library']:.2f} of it   "
                f"p50 {found['latency_p50_ms']:.0f} ms   p99 {found['latency_p99_ms']:.0f} ms   "
                f"{found['requests_s']:.0f} requests/s"
            )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
