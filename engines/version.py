"""The version of the app, in a module of its own so that `--version` imports nothing else."""

__version__ = "0.1.0"

_cache: list[str] = []


def version_and_commit() -> str:
    """Return the version, with the commit in a checkout: "0.1.0 at 159df7a", or "-dirty" with changed files.

    Runs git once; two threads that call this first at the same time both run it, and get the same.
    """
    if not _cache:
        text = __version__
        from pathlib import Path

        home = Path(__file__).resolve().parents[1]
        if (home / ".git").exists():
            import subprocess

            command = ["git", "-C", str(home), "describe", "--always", "--dirty", "--exclude=*"]
            try:
                output = subprocess.run(command, capture_output=True, timeout=2, check=True).stdout
                text = f"{__version__} at {output.decode(errors='replace').strip()}"
            except (OSError, subprocess.SubprocessError):
                pass
        _cache.append(text)
    return _cache[0]
