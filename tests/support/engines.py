"""Engines for tests: their specifications, and a supervised worker that records its events."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engines.api import EngineSpec, Event, Supervisor, TrainConfig, engine_spec, for_backend
from engines.experiment.activations import decode_activations
from engines.experiment.forward import inspect
from engines.experiment.recipe import Weights
from engines.messages.commands import Predict
from engines.messages.events import TERMINAL_EVENTS, Prediction, RunRequested, WorkerReady, WorkerSpawned

SCRIPTED = Path(__file__).with_name("scripted_engine.py")

JAX_PYTHON = os.environ.get("MNIST_TUI_JAX_PYTHON", "")
"""An interpreter that has Keras and JAX, if the tests' own has no JAX."""


def scripted_spec(name: str = "pytorch") -> EngineSpec:
    """Return the specification of the scripted engine under the name of a real one."""
    return EngineSpec(name=name, title=name, module=str(SCRIPTED), python=sys.executable)


def spec_of(engine: str) -> EngineSpec:
    """Return the specification of an engine: a real one, "keras-jax", "keras-torch" or "scripted"."""
    if engine == "scripted":
        return scripted_spec()
    name, _, backend = engine.partition("-")
    return for_backend(engine_spec(name, JAX_PYTHON if backend == "jax" else ""), backend or "tensorflow")


class Worked:
    """A supervised worker and its events."""

    def __init__(self, spec: EngineSpec, cache: Path) -> None:
        self.events: list[Event] = []
        self.inbox: queue.Queue[Event] = queue.Queue()
        self._cache = cache
        self._supervise(spec)

    def _supervise(self, spec: EngineSpec) -> None:
        self.supervisor = Supervisor(spec, self._record, cache_dir=self._cache, threads=1)
        self.thread = threading.Thread(target=self.supervisor.run, daemon=True)

    def _record(self, event: Event) -> None:
        self.events.append(event)
        self.inbox.put(event)

    def start(
        self, config: TrainConfig | None = None, run_id: str = "run", run_dir: str = "", resume: str = ""
    ) -> None:
        """Start the worker, unless it is running, and request a run if there is a config.

        A worker that has ended is replaced by a new one, and its events are discarded.
        """
        if self.thread.ident is not None and not self.thread.is_alive():
            self.events.clear()
            self._supervise(self.supervisor.spec)
        if config is not None:
            self.supervisor.start_run(run_id, config, run_dir, resume=resume)
        if not self.thread.is_alive():
            self.thread.start()

    def wait_for(
        self,
        kind: type[Event] | tuple[type[Event], ...],
        timeout: float = 120.0,
        until: Callable[[Any], bool] = lambda _: True,
    ) -> Any:
        """Wait for the next event of that kind, and return it. Raises queue.Empty after `timeout` seconds without any event."""
        while True:
            event = self.inbox.get(timeout=timeout)
            if isinstance(event, kind) and until(event):
                return event

    def of(self, kind: type[Event]) -> list[Any]:
        """Return all events of that kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def finish(self) -> None:
        """End the worker and wait for its thread."""
        self.supervisor.end()
        self.thread.join(10)
        assert not self.thread.is_alive()


class Warm(Worked):
    """A worker that several tests use one after the other, like a user who starts several runs."""

    def hand_over(self) -> None:
        """Prepare the worker for the next test, as if it had just become ready: discard its late events."""
        self.supervisor.send(Predict(request_id=-1, image=()))
        self.wait_for(Prediction, until=lambda answer: answer.request_id == -1)
        self.events[:] = [*self.of(WorkerSpawned)[:1], *self.of(WorkerReady)[:1]]

    @property
    def idle(self) -> bool:
        """True while the worker is alive and all its runs have ended."""
        ended = [
            isinstance(event, TERMINAL_EVENTS)
            for event in self.events
            if isinstance(event, (RunRequested, *TERMINAL_EVENTS))
        ]
        return self.thread.is_alive() and (not ended or ended[-1])

    def finish(self) -> None:
        """Check that the worker is ready for the next test."""
        assert self.idle


def check_inside(worker: Worked, weights: Weights) -> None:
    """Check that the values inside the worker's network, and the saliency, are those that numpy computes from these weights.

    No run is active.
    """
    image = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    worker.supervisor.send(Predict(request_id=1, image=tuple(image.ravel().tolist()), inside=True))
    answer = worker.wait_for(Prediction)
    assert answer.problem == ""
    for name, values in decode_activations(answer.activations)._asdict().items():
        assert np.allclose(values, getattr(inspect(weights, image), name), rtol=1e-4, atol=1e-5), name
