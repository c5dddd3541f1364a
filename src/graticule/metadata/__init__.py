"""Estimates into the metadata of pictures: XMP sidecars, or the pictures themselves by exiftool.

Archivists' originals must never come to harm. So nothing is written over a position that a picture has, files appear
whole or not at all, what is about to change stands in a journal first, and `undo` brings every byte back.

    answer       what `graticule locate` wrote of one picture
    decisions    what a person decided in `graticule review`
    results      both, line by line
    decide       what of a line is worth writing
    existing     what a picture says of its position already
    note         the values and words to be written
    xmp          their insertion into XMP, of which no other byte changes
    sidecar      a file beside the picture
    exiftool     a copy of a picture with other metadata
    embed        such a copy in the picture's place, and a backup beside it
    journal      what was there before
    undo         back to that
    run          all pictures of a results file, one after another
"""
