"""Programs that the benches start in processes of their own, with `python -m`."""
