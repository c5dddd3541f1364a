"""Pictures that were taken together tell of each other: one that is sure helps one that is vague, softly.

Of the pictures of an outing, in the order of time, each is a hint at where the photographer was, and between two of
them there is only so far to go. `graticule.fusing.chain` says how that is made one probability.
"""
