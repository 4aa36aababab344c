"""The command line: a module for each command, with `add_options(parser)` and `run(options) -> int`."""
