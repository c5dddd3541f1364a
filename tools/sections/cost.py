"""What answers and models cost: seconds, bytes, pictures a second."""

from __future__ import annotations

from graticule.evaluation.markdown import figure
from sections.tables import load, table

__all__ = [
    "extraction",
    "index",
    "pace",
    "page",
    "places",
    "precision",
    "road",
    "serving",
    "training",
    "variogram_costs",
]


def road() -> list[str]:
    """The whole road beside its encoder, and where the time goes."""
    report = load("road")
    large, orbit = report["large"], report["orbit"]
    cases = [(f"ViT-L/14, batch {run['batch']}", run) for run in large["batches"]]
    cases.append((f"orbit, {orbit['pictures']:,} pictures", orbit))
    ratios = [
        [
            name,
            f"{run['pictures_per_second']:.3g}",
            f"{run['times_encoder']:.2f}",
            f"{run['times_plain_encoder']:.2f}",
        ]
        for name, run in cases
    ]
    near = max(run["times_encoder"] for run in large["batches"]) <= large["bar_times_encoder"]
    fast = orbit["pictures_per_second"] >= orbit["bar_pictures_per_second"]
    stages = orbit["profile"]["stages"]
    total = sum(stages.values())
    profile = [
        [name, f"{seconds:.2f}", f"{100 * seconds / total:.0f}"]
        for name, seconds in sorted(stages.items(), key=lambda item: -item[1])
    ]
    return [
        f"{report['threads']} threads. The road computes in {report['precision']} by `graticule.precision`; the plain",
        "encoder is torch's own float32.",
        "",
        *table(["case", "pictures/s", "times its encoder alone", "times the plain encoder"], ratios),
        "",
        f"The bar of {large['bar_times_encoder']:g} times the encoder is {'met' if near else 'missed'} beside the "
        "encoder that the",
        f"road runs; the bar of {orbit['bar_pictures_per_second']:g} pictures a second is "
        f"{'met' if fast else 'missed'}.",
        "",
        f"Where the time of {orbit['pictures']:,} Orbit pictures goes, with a clock around each stage:",
        "",
        *table(["stage", "seconds", "%"], profile),
        "",
        f"Decoding pixels runs beside it, in threads: {orbit['profile']['pixels_processor_seconds']:.2f} s.",
    ]


def precision() -> list[str]:
    """What each precision wins and changes."""
    report = load("precision")
    orbit, large = report["orbit"], report["large"]
    changes = [
        [
            name,
            f"{run['ms_a_picture']['encoder']:.2f}",
            f"{run['ms_a_picture']['both']:.2f}",
            f"{run['shift']:.4f}",
            f"{100 * run['moved_further_than_km']['25']:.1f}",
            f"{100 * run['other_likeliest_cell']:.1f}",
            figure(run["geoscore_difference"], digits=1, sign="+"),
        ]
        for name, run in orbit["precisions"].items()
    ]
    speeds = [
        [
            name,
            f"{run['ms_a_picture']['encoder']:.0f}",
            f"{run['ms_a_picture']['GeoToken and density']:.0f}",
            f"{run['least_cosine_of_features']:.5f}",
            f"{100 * run['equal_tokens_of_likeliest_cell']:.1f}",
        ]
        for name, run in large["precisions"].items()
    ]
    times = ["precision", "encoder, ms a picture"]
    return [
        f"`orbit` on {orbit['views']:,} validation views; ± is half a 95 % interval:",
        "",
        *table(
            [*times, "all, ms", "shift", "moved > 25 km, %", "other cell, %", "GeoScore less plain"], changes
        ),
        "",
        f"ViT-L/14 and the paper's GeoToken, random weights, {large['photos']} photos at once:",
        "",
        *table([*times, "GeoToken, ms", "least cosine of features", "equal tokens, %"], speeds),
    ]


def index() -> list[str]:
    """Millions of vectors."""
    report = load("index")
    names = {"index": "`graticule index`", "flat": "faiss, flat", "product": "torch, float16 on disk"}
    rows = [
        [
            name,
            f"{report[part]['recall']:.3f}" if "recall" in report[part] else "the measure",
            f"{report[part]['ms_single']:.2f}",
            f"{report[part]['ms_batched']:.2f}",
            f"{report[part]['memory']['own'] / 1e9:.2f}",
        ]
        for part, name in names.items()
    ]
    build = report["build"]
    return [
        f"{report['rows']:,} vectors {report['width']} wide, {report['threads']} threads:",
        "",
        *table(["what", "recall@15", "ms a query", "ms in batches of 256", "own memory, GB"], rows),
        "",
        f"Built in {build['seconds'] / 60:.0f} minutes with at most {build['peak_bytes'] / 1e9:.1f} GB;",
        f"{sum(build['disk_bytes'].values()) / 1e9:.1f} GB on disk, opened in {report['index']['open_seconds']:.1f} s.",
    ]


def extraction() -> list[str]:
    """Extraction against the bare encoder."""
    report = load("extract")
    headings = ["encoder", "pictures", "bare encoder, /s", "library, /s", "of the encoder"]
    rows = [
        [
            name,
            f"{run['pictures']:,}",
            f"{run['pictures'] / run['encoder_s']:.3g}",
            f"{run['pictures'] / run['library_s']:.3g}",
            f"{run['library_ratio']:.2f}",
            f"{run['command_ratio']:.2f}",
            f"{run['bound']:.2f}",
        ]
        for name, run in report["figures"].items()
    ]
    return [
        f"{report['threads']} threads, blocks of {report['block']}:",
        "",
        *table([*headings, "whole command, of the encoder", "bound"], rows),
    ]


def training() -> list[str]:
    """A step against loops, and the two designs in equal time."""
    report = load("training")
    step = report["step"]
    lines = [
        f"A step of the paper's network at batch {step['batch']}, {report['threads']} threads, against the plain",
        f"re-implementation; losses differ by {step['differences']['loss']:.0e}, gradients by a share of "
        f"{step['differences']['gradient']:.0e}:",
        "",
    ]
    rows = []
    for name in ("bfloat16", "float32"):
        run = step[name]
        took = run["median_seconds"]
        rows.append(
            [
                name,
                f"{took['plain']:.1f}",
                f"{took['graticule']:.1f}",
                f"{run['times_faster']:.2f}",
                f"{run['pictures_per_second']:.1f}",
                f"{100 * run['share_of_limit']['graticule']:.0f} %",
            ]
        )
    headings = ["precision", "plain, s", "Graticule, s", "times faster", "pictures/s"]
    lines += table([*headings, "of the matrix products' rate"], rows)
    if "designs" in report:
        designs = report["designs"]
        rows = [
            [
                name,
                f"{designs[name]['parameters'] / 1e6:.1f} M",
                f"{designs[name]['pictures_per_second']:.0f}",
                f"{designs[name]['steps'] * designs[name]['batch']:,}",
                f"{designs[name]['validation']['score']:.0f}",
                f"{designs[name]['validation']['median_km']:.0f}",
            ]
            for name in ("compact", "paper")
        ]
        headings = ["design", "parameters", "pictures/s", "pictures seen", "GeoScore", "median km"]
        told = f"Both designs trained on Orbit for {designs['minutes']:g} minutes each:"
        lines += ["", told, "", *table(headings, rows)]
    return lines


def variogram_costs() -> list[str]:
    """Time and memory of semivariograms beside their peers."""
    report = load("variogram")
    names = {
        "graticule": f"Graticule, all pairs of {report['points']:,}",
        "gstools": f"GSTools, the same, one call a component, {report['width']} components summed",
        "graticule, small": f"Graticule, all pairs of {report['small']:,}",
        "scikit-gstat, small": "scikit-gstat, the same, extrapolated from some of the components",
        "sampled": f"Graticule, {report['pairs_drawn']:,} pairs drawn among {report['many']:,}",
    }
    ratios = {name: f"{ratio:.0f}" for name, ratio in report["times_faster"].items()}
    rows = [
        [names[name], f"{run['seconds']:.1f}", ratios.get(name, ""), f"{run['peak_mb']:.0f}"]
        for name, run in report["runs"].items()
    ]
    return table(["what", "seconds", "times as long", "peak memory, MB"], rows)


def pace() -> list[str]:
    """The most asked for of it all, in one table."""
    return table(
        ["what", "figure", "command"], [*_locating(), *_cells(), *_decoding(), *_searching()], texts=3
    )


def _locating() -> list[list[str]]:
    locate = load("locate")
    pictures = locate["pictures"]
    return [
        [
            f"`graticule locate` on {pictures:,} pictures, start to finish",
            f"{pictures / locate['command_beam_s']:.0f} pictures/s (beam), "
            f"{pictures / locate['command_greedy_s']:.0f} (greedy), {locate['threads']} threads",
            "`python benchmarks/locate.py`",
        ],
        ["first answer from cold", f"{locate['cold_s']:.1f} s", "same"],
        [
            "the whole road against its encoder alone",
            f"{locate['warm_beam_s'] / locate['encoder_s']:.2f} times the time",
            "same",
        ],
    ]


def _cells() -> list[list[str]]:
    cells = load("cells")
    ratios = cells["times_faster"]
    peers = {
        "s2geometry": (
            f"S2 cells of {cells['points']:,} points against s2geometry's binding",
            "`python benchmarks/cells.py`",
        ),
        "s2cell": ("the same against the package s2cell", "same"),
    }
    return [
        [
            what,
            f"encoding {ratios[f'graticule encode vs {peer}']:.0f}, decoding "
            f"{ratios[f'graticule decode vs {peer}']:.0f} times faster",
            command,
        ]
        for peer, (what, command) in peers.items()
    ]


def _decoding() -> list[list[str]]:
    decoding = load("decoding")
    command = (
        f"`python benchmarks/decoding.py --pictures {decoding['pictures']} --repeats {decoding['repeats']} "
        f"--threads {decoding['threads']}`"
    )
    runs = [*((f"beam {run['width']}", run) for run in decoding["beams"])]
    runs += [(f"{run['samples']} samples", run) for run in decoding["samples"]]
    return [
        [
            f"paper-size GeoToken, {name}, cached against recomputing everything",
            f"decoding {run['times_faster_without_encoder']:.1f} times faster, {run['times_faster']:.1f} with "
            f"its encoder; {run['pictures_per_second']:.1f} pictures/s, same answer",
            command,
        ]
        for name, run in runs
    ]


def _searching() -> list[list[str]]:
    gallery, variogram, large = load("gallery"), load("variogram"), load("index")
    return [
        [
            f"a gallery of {gallery['rows']:,} places, beyond the image encoder",
            f"{1000 * gallery['median_seconds']['one picture']:.0f} ms a picture, "
            f"{1000 * gallery['median_seconds']['batch'] / gallery['batch']:.0f} in batches of {gallery['batch']}",
            "`python benchmarks/gallery.py`",
        ],
        [
            f"an index of {large['rows']:,} x {large['width']}, recall@15 of {large['index']['recall']:.2f}",
            f"{large['index']['ms_single']:.1f} ms a query, {large['index']['ms_batched']:.1f} in batches of 256",
            "`python benchmarks/index.py`",
        ],
        [
            f"semivariogram of all pairs of {variogram['points']:,} x {variogram['width']}, against GSTools",
            f"{variogram['times_faster']['gstools']:.0f} times faster",
            "`python benchmarks/variogram.py`",
        ],
    ]


def serving() -> list[str]:
    """The service beside the library called directly."""
    report = load("serving")
    rows = [
        [
            what,
            f"{run['library_pictures_s']:.0f}",
            f"{run['service_pictures_s']:.0f}",
            f"{run['service_of_library']:.2f}",
            f"{run['latency_p50_ms']:.0f}",
            f"{run['latency_p99_ms']:.0f}",
        ]
        for what, run in (
            ("estimates, as `graticule locate` writes them", report["estimate"]),
            ("answers with places and words", report["answer"]),
        )
    ]
    return [
        f"{report['pictures']:,} Orbit pictures from {report['clients']} clients at once, which share the processors",
        f"with the service ({report['machine']}). The aim is 0.8 of the library:",
        "",
        *table(["what", "library, pictures/s", "service", "of the library", "p50, ms", "p99, ms"], rows),
    ]


def soak() -> list[str]:
    """What the service kept of its promises."""
    report = load("soak")
    memory, latency, crowd = report["memory"], report["latency"], report["crowd"]
    rows = [
        [verdict["promise"], f"{verdict['figure']}", verdict["bar"], "kept" if verdict["met"] else "broken"]
        for verdict in report["promises"]
    ]
    return [
        f"{report['requests']:,} requests of {len(report['kinds'])} kinds from {report['clients']} clients in "
        f"{report['seconds'] / 60:g} minutes ({report['machine']}, shared with",
        f"the clients); p50 of the good ones {latency['p50_ms']:.0f} ms, p99 {latency['p99_ms']:.0f} ms. "
        f"Resident memory was {memory['second_minute_mb']:.0f} MB in the second",
        f"minute and {memory['last_minute_mb']:.0f} in the last, a slope of "
        f"{memory['slope_mb_per_minute']:+.1f} MB a minute after the first. Of a crowd of {crowd['clients']}, those",
        f"taken in had p50 {crowd['latency']['p50_ms'] / 1000:.1f} s, p99 {crowd['latency']['p99_ms'] / 1000:.1f} s.",
        "",
        *table(["promise", "found", "bar", "verdict"], rows, texts=4),
    ]


def places() -> list[str]:
    """What names take."""
    report = load("places")
    seconds = report["median_processor_seconds"]
    ours = seconds["graticule"]
    told = [
        f"{report['points']:,} points anywhere on Earth: {ours:.2f} s of processor time (the aim is 2 s); the first "
        f"answer from cold {report['seconds_to_first_answer']:.2f} s."
    ]
    if "reverse_geocode" in seconds:
        told.append(
            f"The package reverse_geocode {report['versions']['reverse_geocode']}, which knows the nearest town only, "
            f"takes {seconds['reverse_geocode']:.2f} s; of points on land it puts "
            f"{100 * report['same_country_on_land']:.1f} % in the country whose polygon holds them."
        )
    return told


def page() -> list[str]:
    """How soon the map can be used."""
    report = load("map")
    rows = [
        [what, f"{report[name]:.2f}"]
        for what, name in (
            ("first paint", "first_paint_s"),
            ("the page says what it is and takes pictures", "panel_ready_s"),
            ("the globe is drawn", "globe_drawn_s"),
            ("from a picture to its answer", "answer_s"),
        )
        if name in report
    ]
    return [f"{report['browser']}, {report['cores']} processors:", "", *table(["what", "s"], rows)]
