"""The child side: the standard library, numpy and its framework, nothing else."""
