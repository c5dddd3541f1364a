"""Which IP addresses a picture may be fetched from. tests/faults/test_20_addresses.py has those it may not."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.images.reachable import reachable

TRANSLATED = ip_network("64:ff9b::/96")
HOLDERS = [("::", 0), ("::ffff:0:0", 0), ("64:ff9b:1::", 0), ("2001::", 0), ("2002::", 80)]
"""Prefixes of IPv6 addresses that hold an IPv4 one, and at which bit."""


@pytest.mark.parametrize(
    "ip",
    [
        *("1.1.1.1", "8.8.8.8", "93.184.215.14", "223.255.255.254"),
        *("2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"),
    ],
)
def test_public_hosts_are(ip):
    assert reachable(ip_address(ip))


@given(st.ip_addresses())
def test_nothing_is_that_python_knows_to_be_special(ip):
    if reachable(ip):
        meant = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in TRANSLATED else ip
        assert meant.is_global
        for special in ("private", "loopback", "link_local", "multicast", "reserved", "unspecified"):
            assert not getattr(meant, f"is_{special}")


@given(st.ip_addresses(v=4), st.sampled_from(HOLDERS))
def test_an_ipv4_address_inside_an_ipv6_one_opens_nothing(ip, holder):
    prefix, bit = holder
    assert not reachable(IPv6Address(int(IPv6Address(prefix)) | int(ip) << bit))


@given(st.ip_addresses(v=4))
def test_a_translated_address_is_judged_by_the_one_it_stands_for(ip):
    assert reachable(IPv6Address(int(TRANSLATED.network_address) | int(ip))) == reachable(ip)
