"""Training on several devices at once with DistributedDataParallel. The mirror file is engines/keras/parallel.py.

Each replica holds the full model and trains on its contiguous share of every batch. Before each step the gradients of all
replicas are averaged, so every replica makes the step that one device would make. The worker is replica 0; the others have
processes of their own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from engines.config import TrainConfig
from engines.data import Digits, placeholder_dataset
from engines.experiment.arrays import Arrays, load_arrays, save_arrays
from engines.experiment.recipe import Weights
from engines.pytorch.device import set_threads
from engines.pytorch.engine import Engine, scale
from engines.pytorch.optimizer import set_rate
from engines.worker.replicas import CLOSE, Replica, attribute_failures, close_together, serve_commands

COLLECTIVE_TIMEOUT = timedelta(minutes=2)
"""The longest wait for another replica's part of a step."""

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
"""The loopback interface, the only one that the replicas talk over."""


class ReplicaEngine(Engine):
    """The part of the training that every replica does; `rank` counts the replicas from 0."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights, rank: int, rendezvous: Path) -> None:
        names = config.device.split(",")
        self.rank, self.world_size = rank, len(names)
        self.memory_sum = 0.0
        own_seed = config.seed + rank  # or all would drop the same units
        super().__init__(dataclasses.replace(config, device=names[rank], seed=own_seed), digits, weights)
        dist.init_process_group(
            "nccl" if self.device.type == "cuda" else "gloo",
            store=dist.FileStore(str(rendezvous), self.world_size),  # type: ignore[attr-defined]
            rank=rank,
            world_size=self.world_size,
            timeout=COLLECTIVE_TIMEOUT,
        )
        self.parallel = DistributedDataParallel(self.model)
        # DDP settles its order of summation in the first pass; without this one, the first step of a resumed run would differ.
        self.parallel(scale(self.train_images[:1])).sum().backward()

    # Data

    def share(self, step: int) -> tuple[Tensor, Tensor]:
        """Return this replica's share of the step's images and labels; one image if the share is empty, as in Keras."""
        indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        first, last = (len(indices) * rank // self.world_size for rank in (self.rank, self.rank + 1))
        never_empty = indices[first : max(last, first + 1)]
        return scale(self.train_images[never_empty]), self.train_labels[indices[first:last]]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sums over all replicas of losses and correct answers."""
        self.model.train()
        losses = []
        correct = torch.zeros((), device=self.device)
        for step in range(first, last):
            images, labels = self.share(step)
            size = min(self.batch_size, len(self.order) - step * self.batch_size)
            set_rate(self.optimizer, self.rates[step])
            images = self.augment(images)
            with self.autocast:
                logits = self.parallel(images)[: len(labels)]
                loss = F.cross_entropy(logits, labels, reduction="sum")
            self.optimizer.zero_grad()
            weighted = loss * (self.world_size / size)  # because DDP averages over the replicas, not over the digits
            weighted.backward()
            self.optimizer.step()
            losses.append(loss.detach().double())
            correct += (logits.argmax(dim=1) == labels).sum()
        memory = torch.tensor(super().device_memory_bytes() or 0, device=self.device)
        sums = torch.stack([torch.stack(losses).sum(), correct.double(), memory.double()])
        dist.all_reduce(sums)
        loss_sum, correct_sum, self.memory_sum = sums.tolist()  # the call's one synchronisation with the device
        return loss_sum, correct_sum

    # Checkpoint

    def state(self) -> Arrays:
        """Return the state that one device has, and the random state of the other replicas."""
        state = super().state()
        for name in [name for name in state if name.startswith("random.")]:
            own = torch.from_numpy(state[name]).to(self.device)
            gathered = [torch.empty_like(own) for _ in range(self.world_size)]
            dist.all_gather(gathered, own)
            state |= {f"{name}.{rank}": value.cpu().numpy() for rank, value in enumerate(gathered) if rank}
        return state

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned; a replica without a saved random state stays in its present one."""
        slots = {name: value for name, value in state.items() if name.startswith("optimizer.")}
        own = {"random.cpu": torch.get_rng_state().numpy()}
        for name in ("random.cpu", "random.cuda"):
            saved = f"{name}.{self.rank}" if self.rank else name
            own |= {name: state[saved]} if saved in state else {}
        super().load_state(slots | own)


class ParallelEngine(ReplicaEngine):
    """Trains on all devices of a comma list, evaluates and predicts on the first. Close it when the training is over."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        names = config.device.split(",")
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.threads = torch.get_num_threads()
        share = max(1, self.threads // len(names))
        settings = np.array(json.dumps(dataclasses.asdict(config)))
        arrays = {"config": settings, "images": digits.train_images, "labels": digits.train_labels}
        save_arrays(arrays | weights, self.path("start.npz"))
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = LOOPBACK
        self.others: list[Replica] = []
        try:
            for rank, name in list(enumerate(names))[1:]:
                arguments = (str(rank), str(share), self.folder.name)
                self.others.append(Replica(__name__, name, arguments, {"OMP_NUM_THREADS": str(share)}))
            for other in self.others:
                other.wait_until_ready()
            torch.set_num_threads(share)
            with attribute_failures(self.others):
                super().__init__(config, digits, weights, 0, self.path("rendezvous"))
        except BaseException:
            for other in self.others:
                other.kill()
            raise

    def path(self, name: str) -> Path:
        """Return the path of a file that the replicas share."""
        return Path(self.folder.name) / name

    def send(self, command: str, *arguments: object) -> None:
        """Send a command to all other replicas."""
        for other in self.others:
            other.send(command, *arguments)

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's order and learning rates on every replica. Raises ReplicaError when one is gone."""
        with attribute_failures(self.others):
            self.send("start_epoch", order.tolist(), rates.tolist())
        super().start_epoch(order, rates)

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train on every replica. Raises ReplicaError when one is gone."""
        with attribute_failures(self.others):
            self.send("train_steps", first, last)
            return super().train_steps(first, last)

    def state(self) -> Arrays:
        """Return the state with every replica's random state. Raises ReplicaError when one is gone."""
        with attribute_failures(self.others):
            self.send("state")
            return super().state()

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned on every replica. Raises OSError, and ReplicaError when one is gone."""
        save_arrays(state, self.path("state.npz"))
        with attribute_failures(self.others):
            self.send("load_state", str(self.path("state.npz")))
        super().load_state(state)

    def device_memory_bytes(self) -> int | None:
        """Return the sum of all GPUs' peaks of memory after the last steps; None on CPUs, and before the first."""
        return int(self.memory_sum) or None

    def close(self) -> None:
        """End the other replicas, all together; this one still predicts. Ends the worker when that takes too long."""
        close_together(self.others, dist.destroy_process_group)
        vars(self).pop("parallel", None)  # it would keep gloo's socket open
        torch.set_num_threads(self.threads)
        self.folder.cleanup()


def serve(rank: str, threads: str, folder: str) -> None:
    """Run one of the other replicas until the worker ends."""

    def build() -> dict[str, Callable[..., object]]:
        set_threads(int(threads))
        start = load_arrays(Path(folder) / "start.npz")
        digits = dataclasses.replace(placeholder_dataset(), train_images=start["images"], train_labels=start["labels"])
        config = TrainConfig(**json.loads(str(start["config"])))
        engine = ReplicaEngine(config, digits, start, int(rank), Path(folder) / "rendezvous")
        return {
            "start_epoch": lambda order, rates: engine.start_epoch(np.array(order), np.array(rates, np.float32)),
            "train_steps": engine.train_steps,
            "state": engine.state,
            "load_state": lambda path: engine.load_state(load_arrays(Path(path))),
            CLOSE: dist.destroy_process_group,
        }

    serve_commands(build)
