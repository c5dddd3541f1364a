"""Orbit, the embedded world: a virtual camera over a mosaic of the whole Earth.

    mosaic.py      an equirectangular picture of the Earth, and which of its points are land
    camera.py      a point, a heading and a width on the ground -> 64 x 64 pixels
    photometry.py  what makes two pictures of one place differ: light, haze, sensor, season
    views.py       view i of split s, the same on every machine

It is not a claim about street-level photographs.
"""
