"""Published models, fetched once and turned into model folders: `graticule models pull`.

plan        what is to be fetched, from where, how large, under which licence; nothing is fetched yet
pull        fetches, checks, converts and installs it
"""

from graticule.pull.geoclip import plan, pull
from graticule.pull.item import Item, Plan

__all__ = ["Item", "Plan", "plan", "pull"]
