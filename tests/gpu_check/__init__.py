"""Check everything that needs a CUDA GPU, and print one table: `make gpu-check`, described in docs/gpu.md.

It needs the standard library, numpy and a framework. It uses the engines by their workers' commands and events alone.
"""
