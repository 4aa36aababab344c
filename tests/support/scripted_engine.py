"""An engine for tests: softmax regression in numpy, fast enough for hundreds of runs, and it misbehaves on demand.

MNIST_TUI_SCRIPT says how, and where: "MISDEED@PLACE", once. The place is a number of steps done, "import", "data" (digits are being
drawn), "build", "evaluate" or "checkpoint". The misdeeds are in `misbehave`; beside them "missing" fails to import, "slow" takes
20 ms a step, and "nan@5" turns the loss into NaN from there on.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from engines.messages.events import Device

OUT_OF_MEMORY = ()
MODEL_FILE = "scripted.npy"

_MISDEED, _, _AT = os.environ.get("MNIST_TUI_SCRIPT", "").partition("@")
_DONE: list[str] = []


def misbehave(place: str, rehearses: bool = False) -> None:
    """Do what the script says, if this is the place for it."""
    if place != _AT or rehearses or _DONE:
        return
    _DONE.append(place)
    match _MISDEED:
        case "kill" | "crash" | "abort" | "stop":
            names = {"kill": signal.SIGKILL, "crash": signal.SIGSEGV, "abort": signal.SIGABRT, "stop": signal.SIGSTOP}
            os.kill(os.getpid(), names[_MISDEED])
        case "terminate":  # as the C++ runtime does with an exception that is caught nowhere, while other threads live
            for _ in range(20):
                threading.Thread(target=threading.Event().wait, daemon=True).start()
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
            os.abort()
        case "exit":
            os._exit(3)
        case "raise":
            raise RuntimeError("the script says so")
        case "break":
            raise ImportError("libscripted.so.1: cannot open shared object file")
        case "oom":
            raise MemoryError("no more")
        case (
            "devour"
        ):  # more than an address space under a limit holds; never touched, so it costs nothing where there is none
            _HELD.append(np.empty(2**34, np.uint8))
        case "hang":
            threading.Event().wait()
        case "hold":  # as a library does that waits and keeps Python's lock meanwhile
            ctypes.PyDLL(None).sleep(3600)
        case "child":
            print("child", subprocess.Popen(["sleep", "600"]).pid, flush=True)
        case "garbage":
            sys.stdout.write("\x1b[2J\x1b[31mred\x1b[0m\rlast words\n")
            sys.stderr.write("on stderr\n")
            _write_everywhere(
                b'not json\n{"type":"Nonsense"}\n{"type":"Heartbeat","engine":"somebody","seq":1,"t":0}\n'
            )
        case "long":  # ten million bytes in a line
            _write_everywhere(b"x" * 10_000_000 + b"\n")
        case "half":
            _write_everywhere(b'{"type":"Heartbeat","engine":"py')
            os._exit(3)
        case "flood":
            beat = b'{"type":"Heartbeat","engine":"pytorch","seq":1,"t":0}\n'
            _write_everywhere(beat * 100_000)
        case "chatter":
            for i in range(200_000):
                print("line", i)


_HELD: list[np.ndarray] = []


def _write_everywhere(content: bytes) -> None:
    """Into every pipe that this process can find: one of them is the protocol's."""
    for fd in range(3, 20):
        left = content
        try:
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                continue
            while left:
                left = left[os.write(fd, left) :]
        except OSError:
            continue


if _MISDEED == "missing":
    import a_framework_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401  # that is the test
misbehave("import")


def _draw_badly() -> None:
    """Misbehave once some of the digits are drawn, and that was said."""
    from engines.data import synthetic

    honest = synthetic.draw

    def draw(count, seed, on_progress, cancelled):  # type: ignore[no-untyped-def]  # as the original
        def tell(done: int, total: int, source: str) -> None:
            on_progress(done, total, source)
            misbehave("data")

        return honest(count, seed, tell, cancelled)

    synthetic.draw = draw


if _AT == "data":
    _draw_badly()


class Engine:
    """Learns for real, in one matrix."""

    def __init__(self, config, digits, weights) -> None:  # type: ignore[no-untyped-def]  # as the trainer gives them
        self.batch_size = config.batch_size
        self.images = digits.train_images.reshape(len(digits.train_labels), -1) / 255.0
        self.labels = digits.train_labels
        self.test = digits.test_images.reshape(len(digits.test_labels), -1) / 255.0
        self.kernel = np.array(weights["kernel"]) if "kernel" in weights else np.zeros((784, 10))
        self.random = np.random.default_rng(config.seed)
        self.done = 0
        self.rehearses = len(self.labels) == 1
        misbehave("build", self.rehearses)

    def start_epoch(self, order: np.ndarray, rates: np.ndarray) -> None:
        """Take the permutation and the learning rates."""
        self.order, self.rates = order, rates

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Gradient descent on cross-entropy."""
        loss_sum = correct = 0.0
        for step in range(first, last):
            if _MISDEED == "slow":
                time.sleep(0.02)
            misbehave(str(self.done), self.rehearses)
            chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
            x, y = self.images[chosen], self.labels[chosen]
            logits = x @ self.kernel
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            losses = -np.log(p[np.arange(len(y)), y] + 1e-12)
            loss_sum += float(np.float32(losses.sum()))  # in single precision, so that sums of sums are exact
            correct += float((p.argmax(axis=1) == y).sum())
            p[np.arange(len(y)), y] -= 1
            self.kernel -= 0.1 * self.rates[step] * self.random.uniform(0.9, 1.1) * x.T @ p / len(y)
            self.done += 1
            if _MISDEED == "nan" and self.done > int(_AT):
                loss_sum = float("nan")
        return loss_sum, correct

    def evaluate(self, first: int, last: int) -> np.ndarray:
        """Logits."""
        misbehave("evaluate")
        return np.asarray(self.test[first:last] @ self.kernel, np.float32)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities."""
        logits = images.reshape(len(images), -1) / 255.0 @ self.kernel
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)

    def weights(self) -> dict[str, np.ndarray]:
        """The one matrix."""
        return {"kernel": self.kernel}

    def state(self) -> dict[str, np.ndarray]:
        """The random numbers to come."""
        misbehave("checkpoint")
        return {"random": np.array(json.dumps(self.random.bit_generator.state))}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Take them."""
        self.random.bit_generator.state = json.loads(str(state["random"]))

    def save_model(self, path: Path) -> None:
        """The one matrix, in numpy's format."""
        content = io.BytesIO()
        np.save(content, self.kernel)
        path.write_bytes(content.getbuffer())  # of a full disk, np.save would say how many items it wrote

    def device_memory_bytes(self) -> None:
        """None: no GPU."""


def framework() -> str:
    """For people."""
    return "Scripted 1.0"


def version() -> str:
    """For records."""
    return "1.0"


def set_threads(threads: int) -> None:
    """One is enough."""


def devices() -> tuple[Device, ...]:
    """A CPU, and a GPU that isn't there."""
    return Device(id="cpu", name="CPU"), Device(id="cuda:0", name="GPU", usable=False, reason="scripted away")
