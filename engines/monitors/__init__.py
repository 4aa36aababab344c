"""Measure what the machine and the workers use: CPU, memory, GPU. Cheap to import; nothing here draws or prints."""
