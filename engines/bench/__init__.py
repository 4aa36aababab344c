"""Measurements of the engines, most of them ratios to a plain program."""
