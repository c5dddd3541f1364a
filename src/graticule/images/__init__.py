"""Pixels: opening, checking, squaring and batching pictures."""
