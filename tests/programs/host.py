"""Import a framework once and run programs in forks of this process: `host MODULE...`, with a request a line on stdin.

A request is JSON: the `program` (a module of `tests.programs`, or source code where `code` is true), its `arguments`, its
`environment`, and the files `stdout` and `stderr`. The answer is a line with the program's exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback
from typing import Any


def run(request: dict[str, Any]) -> int:
    """Run a program in this process; return its exit code."""
    os.environ.clear()
    os.environ.update(request["environment"])
    for fd, name in enumerate(("stdout", "stderr"), start=1):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), fd)
    sys.argv = [request["program"], *request["arguments"]]
    try:
        if request["code"]:
            exec(request["program"], {"__name__": "__main__"})
        else:
            runpy.run_module(f"tests.programs.{request['program']}", run_name="__main__", alter_sys=True)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(*modules: str) -> None:
    for module in modules:
        importlib.import_module(module)
    for line in sys.stdin:
        if pid := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            continue
        code = run(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
