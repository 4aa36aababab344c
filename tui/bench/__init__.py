"""Measurements of the app and of the command line, in processes of their own."""
