"""Graticule: where on Earth was this picture taken, and how sure are we?"""
