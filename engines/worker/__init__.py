"""The child side: a worker process, with the standard library, numpy and its framework and nothing else."""
