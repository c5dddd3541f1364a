"""Thousands of pictures in one go: stopped at any moment it goes on, and its file of results appears whole."""
