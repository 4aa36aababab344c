"""Measurements of the engines, each a ratio to something plain."""
