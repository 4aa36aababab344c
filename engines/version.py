"""The version, in a module of its own so that `--version` imports nothing else."""

__version__ = "0.1.0"

_built: list[str] = []


def build() -> str:
    """The version, and in a checkout the commit that its files are of: "0.1.0 at 159df7a", with "-dirty" for changed files.

    Asks git once; two threads that are the first together both ask, and are told the same.
    """
    if not _built:
        text = __version__
        from pathlib import Path

        home = Path(__file__).resolve().parents[1]
        if (home / ".git").exists():
            import subprocess

            command = ["git", "-C", str(home), "describe", "--always", "--dirty", "--exclude=*"]
            try:
                said = subprocess.run(command, capture_output=True, timeout=2, check=True).stdout
                text = f"{__version__} at {said.decode(errors='replace').strip()}"
            except (OSError, subprocess.SubprocessError):
                pass
        _built.append(text)
    return _built[0]
