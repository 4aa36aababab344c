"""The PyTorch engine on several devices at once, by DistributedDataParallel. Its twin is keras_parallel.py.

Each replica holds the whole model and trains on its contiguous share of every batch; before each step the gradients of all are
averaged, and so every replica makes the step that one device would make. The worker is replica 0; the others have processes of
their own.
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
from engines.pytorch.engine import Engine, scale, set_threads
from engines.worker.replicas import Replica, attribute_failures, serve_commands

LONGEST_WAIT = timedelta(minutes=2)
"""For another replica's part of a step."""

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class ReplicaEngine(Engine):
    """What every replica does; `rank` counts them from 0."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights, rank: int, rendezvous: Path) -> None:
        names = config.device.split(",")
        self.rank, self.replicas = rank, len(names)
        self.held = 0.0
        own_seed = config.seed + rank  # or all would drop the same units
        super().__init__(dataclasses.replace(config, device=names[rank], seed=own_seed), digits, weights)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        dist.init_process_group(
            "nccl" if self.device.type == "cuda" else "gloo",
            store=dist.FileStore(str(rendezvous), self.replicas),  # type: ignore[attr-defined]
            rank=rank,
            world_size=self.replicas,
            timeout=LONGEST_WAIT,
        )
        self.parallel = DistributedDataParallel(self.model)
        # Only after a first pass DDP adds in its lasting order: without this one, a resumed run would not in its first step.
        self.parallel(scale(self.train_images[:1])).sum().backward()

    # Data

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """This replica's share of the step's images and labels; of an empty share one image, as the twin has it."""
        whole = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        first, last = (len(whole) * rank // self.replicas for rank in (self.rank, self.rank + 1))
        seen = whole[first : max(last, first + 1)]
        return scale(self.train_images[seen]), self.train_labels[whole[first:last]]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of right answers, of all replicas."""
        self.model.train()
        losses = []
        correct = torch.zeros((), device=self.device)
        for step in range(first, last):
            images, labels = self.batch(step)
            size = min(self.batch_size, len(self.order) - step * self.batch_size)
            self.optimizer.param_groups[0]["lr"] = self.rates[step]
            images = self.augment(images)
            with self.autocast:
                logits = self.parallel(images)[: len(labels)]
                loss = F.cross_entropy(logits, labels, reduction="sum")
            self.optimizer.zero_grad()
            weighed = loss * (self.replicas / size)  # for DDP takes the mean over the replicas, not over the digits
            weighed.backward()
            self.optimizer.step()
            losses.append(loss.detach().double())
            correct += (logits.argmax(dim=1) == labels).sum()
        held = torch.tensor(super().device_memory_bytes() or 0, device=self.device)
        figures = torch.stack([torch.stack(losses).sum(), correct.double(), held.double()])
        dist.all_reduce(figures)
        loss_sum, right, self.held = figures.tolist()  # the call's one synchronisation with the device
        return loss_sum, right

    # Checkpoint

    def state(self) -> Arrays:
        """That of one device, and the random state of the other replicas."""
        state = super().state()
        for name in [name for name in state if name.startswith("random.")]:
            own = torch.from_numpy(state[name]).to(self.device)
            every = [torch.empty_like(own) for _ in range(self.replicas)]
            dist.all_gather(every, own)
            state |= {f"{name}.{rank}": one.cpu().numpy() for rank, one in enumerate(every) if rank}
        return state

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave; a replica that it does not know keeps the random state that it has."""
        slots = {name: value for name, value in state.items() if name.startswith("optimizer.")}
        own = {"random.cpu": torch.get_rng_state().numpy()}
        for name in ("random.cpu", "random.cuda"):
            saved = f"{name}.{self.rank}" if self.rank else name
            own |= {name: state[saved]} if saved in state else {}
        super().load_state(slots | own)


class ParallelEngine(ReplicaEngine):
    """Trains on all devices of a comma list; evaluates and answers on the first. To be closed when the training is over."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        names = config.device.split(",")
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.threads = torch.get_num_threads()
        share = max(1, self.threads // len(names))
        settings = np.array(json.dumps(dataclasses.asdict(config)))
        known = {"config": settings, "images": digits.train_images, "labels": digits.train_labels}
        save_arrays(known | weights, self.path("start.npz"))
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
            self.close()
            raise

    def path(self, name: str) -> Path:
        """A file for the other replicas to read."""
        return Path(self.folder.name) / name

    def tell(self, command: str, *arguments: object) -> None:
        """Have all other replicas do the same."""
        for other in self.others:
            other.tell(command, *arguments)

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """As on one device."""
        with attribute_failures(self.others):
            self.tell("start_epoch", order.tolist(), rates.tolist())
        super().start_epoch(order, rates)

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """As on one device. Raises ReplicaError when another replica is gone."""
        with attribute_failures(self.others):
            self.tell("train_steps", first, last)
            return super().train_steps(first, last)

    def state(self) -> Arrays:
        """As on one device, and the random state of the other replicas."""
        with attribute_failures(self.others):
            self.tell("state")
            return super().state()

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave."""
        save_arrays(state, self.path("state.npz"))
        with attribute_failures(self.others):
            self.tell("load_state", str(self.path("state.npz")))
        super().load_state(state)

    def device_memory_bytes(self) -> int | None:
        """What PyTorch's allocators held on all its GPUs at the end of the last steps; None on CPUs, and before."""
        return int(self.held) or None

    def close(self) -> None:
        """End the other replicas; this one goes on answering."""
        for other in self.others:
            other.close()
        if dist.is_initialized():
            dist.destroy_process_group()
        vars(self).pop("parallel", None)  # or gloo's socket would stay open
        torch.set_num_threads(self.threads)
        self.folder.cleanup()


def serve(rank: str, threads: str, folder: str) -> None:
    """Be one of the other replicas, until the worker ends."""

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
        }

    serve_commands(build)
