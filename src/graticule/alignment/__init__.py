"""Pictures and places in one space, learned by contrast."""
