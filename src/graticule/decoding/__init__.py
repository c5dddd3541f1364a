"""Turning a cell model into candidate places."""
