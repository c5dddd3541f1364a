"""Properties into an XMP packet by inserting one block of text: no byte of what was there changes.

XMP is RDF in XML. A packet may hold any number of `rdf:Description` elements about the same picture (XMP
specification, part 1, section 7.4), so ours is one more, before the end of `rdf:RDF`. It is written in ASCII, which
fits every encoding that has the end tag in ASCII. Whether the insertion did what it should is checked by parsing both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, tostring
from xml.sax.saxutils import escape, quoteattr

from graticule.errors import InputError
from graticule.metadata.note import NAMESPACES

__all__ = ["EMPTY", "Insertion", "has_position", "insertion"]

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_OURS_MAY_STAY_OUT: Final = "photoshop:Instructions"
"""A person's own instructions are theirs; the sentence is not added to them."""

EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f' <rdf:RDF xmlns:rdf="{RDF}">\n'
    "  </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()
"""A packet that says nothing yet."""

_END_OF_RDF: Final = re.compile(rb"</(?:[^\s<>/:]+:)?RDF\s*>")
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to be put into a packet."""

    at: int
    """How many bytes of the packet stand before it."""
    text: bytes

    def into(self, packet: bytes) -> bytes:
        """The packet with the text in it."""
        return packet[: self.at] + self.text + packet[self.at :]


def has_position(packet: bytes) -> bool:
    """Whether XMP names a latitude or longitude anywhere, in whatever form, even if it is too broken to be parsed."""
    letters = packet.replace(b"\0", b"")  # UTF-16, or UTF-32
    return b"GPSLatitude" in letters or b"GPSLongitude" in letters


def insertion(packet: bytes, properties: Mapping[str, str], name: str) -> Insertion:
    """Where and what to insert so that a packet has the properties too.

    Args:
        packet: The bytes of an XMP packet, or a sidecar file.
        properties: By prefixed name, of prefixes in `NAMESPACES`.
        name: What messages call the packet.

    Raises:
        InputError: it is no XMP, or can't take them without changing what it has.
    """
    before = _parse(packet, name)
    rdf = _rdf(before, name)
    ends = list(_END_OF_RDF.finditer(packet))
    if len(ends) != 1:
        raise InputError(
            f"{name}: XMP of an unusual form, which is not touched. Move it away, or leave it so."
        )
    held = {key for node in rdf for key in (*node.attrib, *(child.tag for child in node))}
    wanted = dict(properties)
    if _clark(_OURS_MAY_STAY_OUT) in held:
        wanted.pop(_OURS_MAY_STAY_OUT, None)
    if taken := [key for key in wanted if _clark(key) in held]:
        raise InputError(f"{name}: has {taken[0]} already, though no position; it is not touched.")
    found = Insertion(ends[0].start(), _description(wanted, _about(rdf, name)))
    _check(before, found.into(packet), name)
    return found


def _parse(packet: bytes, name: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        parsed: Element = fromstring(packet, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{name}: is no well-formed XMP, and is not touched ({error}).") from error
    return parsed


def _rdf(root: Element, name: str) -> Element:
    found = list(root.iter(f"{{{RDF}}}RDF"))
    if len(found) != 1:
        raise InputError(f"{name}: holds {len(found)} rdf:RDF where XMP has one; it is not touched.")
    return found[0]


def _about(rdf: Element, name: str) -> str:
    """What the packet calls the picture it is about: the same in all its descriptions, and mostly nothing."""
    said = {node.get(f"{{{RDF}}}about", node.get("about", "")) for node in rdf}
    if len(said) > 1:
        raise InputError(f"{name}: is about more than one thing; it is not touched.")
    return said.pop() if said else ""


def _description(properties: Mapping[str, str], about: str) -> bytes:
    spaces = "".join(f'\n    xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    lines = "".join(f"   <{key}>{escape(_legal(text))}</{key}>\n" for key, text in properties.items())
    return (
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(_legal(about))}{spaces}>\n'
        f"{lines}  </rdf:Description>\n "
    ).encode("ascii", "xmlcharrefreplace")


def _legal(text: str) -> str:
    """Without the control characters and halves of pairs that XML can't hold."""
    return _NOT_IN_XML.sub("\ufffd", text)


def _clark(key: str) -> str:
    prefix, _, local = key.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _check(before: Element, packet: bytes, name: str) -> None:
    """All that was there is there, and one description more."""
    after = _parse(packet, name)
    rdf = _rdf(after, name)
    try:
        rdf.remove(rdf[-1])
        same = tostring(before) == tostring(after)
    except (IndexError, RecursionError):
        same = False
    if not same:
        raise InputError(
            f"{name}: XMP of an unusual form, which is not touched. Move it away, or leave it so."
        )
