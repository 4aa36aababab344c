"""A training step as one CUDA graph: the host launches it whole, instead of some sixty kernels one by one.

A graph repeats the same kernels on the same addresses, so what differs from step to step is read from the device: the epoch's order
and learning rates, at a position. Random numbers differ too: PyTorch passes its generator's state to every replay and advances it
(its documentation, "CUDA semantics", "CUDA Graphs").
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from engines.errors import reason

if TYPE_CHECKING:
    from engines.pytorch.engine import Engine

logger = logging.getLogger(__name__)


class CudaGraph:
    """Kernels that are recorded once and replayed often; without a GPU, tests put a fake in its place."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = side_stream(device)
        self.graph = torch.cuda.CUDAGraph()

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do the work on the stream that `record` uses, so that kernels and workspaces are loaded there."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> None:
        """Record the work's kernels without running them. Raises RuntimeError when one of them can't be recorded."""
        # The mode forbids only this thread the calls that break a capture, so that the heartbeats may ask for the memory.
        capture = torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local")
        try:
            with torch.cuda.stream(self.stream), capture:  # a failing capture doesn't leave the stream by itself
                work()
        except Exception:
            generator = torch.cuda.default_generators[self.device.index]
            generator.graphsafe_set_state(generator.clone_state())  # a failing capture leaves older ones unusable
            raise

    def replay(self) -> None:
        """Run the recorded kernels on the current stream."""
        self.graph.replay()


@functools.cache
def side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream for captures on a GPU: one for all runs, because cuBLAS holds a workspace for each."""
    return torch.cuda.Stream(device)


class CapturedStep:
    """The training step of one engine on a full batch, captured when it is first needed; a CPU has none."""

    def __init__(self, device: torch.device) -> None:
        self.enabled = device.type == "cuda"
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        """The step of the epoch to train next."""
        self.graph: CudaGraph | None = None
        """The captured step; None before the first one, and when capturing failed."""
        self.slots: object = None
        """The optimizer's state, whose addresses are in the graph; `load_state` makes another one."""

    def run(self, engine: Engine, step: int) -> bool:
        """Train one step of the epoch; return False if it has to be trained kernel by kernel, as the short last batch is."""
        if not self.enabled or step == len(engine.order) // engine.batch_size:
            return False
        self.position.fill_(step)
        if self.slots is not engine.optimizer.state:
            self._train_and_capture(engine)
        elif self.graph:
            self.graph.replay()
        else:
            return False
        return True

    def _train_and_capture(self, engine: Engine) -> None:
        """Train one step, and capture it for the next ones. Logs a warning if it can't be captured."""
        graph, work = CudaGraph(engine.device), functools.partial(self.train, engine)
        graph.warm_up(work)
        if len(engine.order) % engine.batch_size:
            _warm_up_short_batch(engine)
        self.graph, self.slots = None, engine.optimizer.state
        try:
            graph.record(work)
            self.graph = graph
        except Exception as error:
            logger.warning("The training step can't be captured as a CUDA graph, so it is slower: %s", reason(error))

    def train(self, engine: Engine) -> None:
        """Train the step at `position`; nothing in it depends on a number of the host's."""
        steps = len(engine.order) // engine.batch_size
        batches = engine.order[: steps * engine.batch_size].view(steps, engine.batch_size)
        indices = batches.index_select(0, self.position).squeeze(0)
        rate = engine.rates.index_select(0, self.position).squeeze(0)
        engine.results.index_copy_(0, self.position, engine.train_batch(indices, rate).unsqueeze(0))


def _warm_up_short_batch(engine: Engine) -> None:
    """Load the kernels for an epoch's last batch: train it, and restore the weights, the slots and the random state."""
    weights, state = engine.weights(), copy.deepcopy(engine.state())  # it may share the slots' memory
    engine.train_batch(engine.order[-(len(engine.order) % engine.batch_size) :], engine.rates[-1])
    engine.load_weights(weights)
    engine.load_state(state)
