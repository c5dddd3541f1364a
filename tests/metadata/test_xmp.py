"""Insertion into XMP: valid, read back, and not a byte of what was there touched."""

import xml.etree.ElementTree as Tree
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.errors import InputError
from graticule.metadata.decide import Placement
from graticule.metadata.note import NAMESPACES, exif_tags, properties, sentence
from graticule.metadata.xmp import EMPTY, RDF, has_position, insertion

PLACED = Placement(-43.1, 5.25, 24.2, "orbit", "12ab")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXIF, PHOTOSHOP, GRATICULE = (f"{{{NAMESPACES[prefix]}}}" for prefix in ("exif", "photoshop", "graticule"))

DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmp:Rating="3">
   <!-- kept -->
   <dc:subject><rdf:Bag><rdf:li>Berg &amp; Tal</rdf:li></rdf:Bag></dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def values(packet):
    """The last description of a packet: name in Clark notation -> text."""
    return {child.tag: child.text for child in descriptions(packet)[-1]}


def descriptions(packet):
    return next(Tree.fromstring(packet).iter(f"{{{RDF}}}RDF"))


def into(packet, placed=PLACED):
    return insertion(packet, properties(placed, NOON), "x.xmp").into(packet)


def test_a_new_packet_says_what_is_known():
    assert values(into(EMPTY)) == {
        f"{EXIF}GPSLatitude": "43,6.000000S",
        f"{EXIF}GPSLongitude": "5,15.000000E",
        f"{EXIF}GPSHPositioningError": "24200/1",
        f"{EXIF}GPSProcessingMethod": "ESTIMATE BY GRATICULE",
        f"{PHOTOSHOP}Instructions": sentence(PLACED),
        f"{GRATICULE}software": "Graticule 0.1.0",
        f"{GRATICULE}model": "orbit",
        f"{GRATICULE}modelDigest": "12ab",
        f"{GRATICULE}latitude": "-43.100000",
        f"{GRATICULE}longitude": "5.250000",
        f"{GRATICULE}radiusKm": "24.200",
        f"{GRATICULE}probability": "0.9",
        f"{GRATICULE}review": "none",
        f"{GRATICULE}written": "2026-11-23T12:00:00+00:00",
    }
    assert sentence(PLACED) == (
        "Estimated by Graticule 0.1.0 with model orbit: 90 % within 24 km. Not measured by the camera."
    )


def test_a_persons_place_says_so_and_claims_no_circle():
    moved = Placement(46, 10, None, "orbit", review="moved", note="seen there")
    told = values(into(EMPTY, moved))
    assert told[f"{EXIF}GPSProcessingMethod"] == "MANUAL"
    assert told[f"{GRATICULE}reviewNote"] == "seen there"
    assert f"{EXIF}GPSHPositioningError" not in told
    assert "GPSHPositioningError" not in exif_tags(moved)
    assert "by a person" in sentence(moved)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_positions_survive_the_form_of_xmp(latitude, longitude):
    told = properties(Placement(latitude, longitude, 0.0, "orbit"), NOON)
    for name, letters, value in (("Latitude", "NS", latitude), ("Longitude", "EW", longitude)):
        text = told[f"exif:GPS{name}"]
        degrees, minutes = text[:-1].split(",")
        assert float(minutes) < 60
        back = (int(degrees) + float(minutes) / 60) * (1 if text[-1] == letters[0] else -1)
        assert abs(back - value) < 1e-8


@pytest.mark.parametrize(
    "packet",
    [
        DARKTABLE,
        b"\xef\xbb\xbf" + DARKTABLE,
        DARKTABLE.replace(b"UTF-8", b"ISO-8859-1").replace(b"Berg", b"H\xfcgel"),
        DARKTABLE.replace(b"\n", b"\r\n"),
        DARKTABLE.replace(b"rdf:", b"r:").replace(b":rdf=", b":r="),
        DARKTABLE.replace(b'about=""', b'about="uuid:1&amp;2"'),
        b'<RDF xmlns="%s"></RDF >' % RDF.encode(),
    ],
)
def test_what_was_there_stays_to_the_byte(packet):
    found = insertion(packet, properties(PLACED, NOON), "x.xmp")
    merged = found.into(packet)
    assert merged[: found.at] + merged[found.at + len(found.text) :] == packet
    assert values(merged)[f"{EXIF}GPSLatitude"] == "43,6.000000S"
    abouts = {node.get(f"{{{RDF}}}about") for node in descriptions(merged)}
    assert len(abouts) == 1, "all descriptions of a packet are about one thing"


def test_a_persons_instructions_are_kept():
    theirs = DARKTABLE.replace(
        b"xmp:Rating=", b'xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:Instructions="Crop." xmp:Rating='
    )
    told = values(into(theirs))
    assert f"{PHOTOSHOP}Instructions" not in told
    assert f"{EXIF}GPSLatitude" in told


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"", "well-formed"),
        (b"no xml", "well-formed"),
        (DARKTABLE[:-20], "well-formed"),
        (b"<a/>", "0 rdf:RDF"),
        (b'<rdf:RDF xmlns:rdf="%s"/>' % RDF.encode(), "unusual"),
        (DARKTABLE.replace(b"kept", b"</rdf:RDF>"), "unusual"),
        (DARKTABLE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "unusual"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + DARKTABLE.split(b"?>\n", 1)[1], "well-formed"),
        (into(EMPTY).replace(b"GPSL", b"SPGL"), "has exif:GPSProcessingMethod already"),
        (DARKTABLE.replace(b" </rdf:RDF>", b' <rdf:Description rdf:about="b"/></rdf:RDF>'), "more than one"),
        (
            b'<a xmlns:rdf="%s"><rdf:RDF>' % RDF.encode()
            + b"<b>" * 5000
            + b"</b>" * 5000
            + b"</rdf:RDF></a>",
            "unusual",
        ),
    ],
)
def test_what_can_not_take_it_is_refused_by_name(packet, words):
    with pytest.raises(InputError, match=rf"x\.xmp: .*{words}"):
        into(packet)


@given(st.text())
def test_no_note_of_a_reviewer_breaks_the_xml(note):
    told = values(into(EMPTY, Placement(1, 2, 3, note, review="confirmed", note=note)))
    if note.isprintable() and note:
        assert told[f"{GRATICULE}reviewNote"] == note


def test_a_latitude_is_seen_in_any_form():
    assert not has_position(DARKTABLE)
    assert has_position(into(EMPTY))
    assert has_position(into(EMPTY).decode().encode("utf-16"))
    assert has_position(b"<broken exif:GPSLongitude='5,0E'")
