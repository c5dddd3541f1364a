"""The doors, one file each, which holds a `TARGET`; `fuzz.target.NAMES` lists them."""
