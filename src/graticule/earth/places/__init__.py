"""What lies where: the country, region and nearest town of a place, offline."""

from graticule.earth.places.lookup import Places
from graticule.earth.places.place import Place

__all__ = ["Place", "Places"]
