"""The models of a recording or of a watched run: weights from its checkpoints, which predict without a framework."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from engines.messages.commands import UNTRAINED, Predict
from engines.messages.events import Prediction

if TYPE_CHECKING:
    from engines.experiment.progress import Position
    from engines.experiment.recipe import Weights


class RecordedModels:
    """Predicts in a thread of its own, which also reads the weights when they are first needed."""

    def __init__(self, folder: Path | None, engines: Collection[str], seed: int = 0) -> None:
        """`seed` is that of the recorded run, which drew the weights before its first step."""
        self.seed = seed
        paths = {engine: folder / f"{engine}.npz" for engine in engines} if folder else {}
        self.checkpoints = {engine: path for engine, path in paths.items() if path.is_file()}
        """The checkpoints beside the recording, by engine."""
        self.newest: dict[str, Prediction] = {}
        """The newest answer of each engine."""
        self._last_id = 0
        self._newest_ids: dict[str, int] = {}
        """The id of the newest request to each engine."""
        self._loaded: dict[str, tuple[tuple[Path, int], Position, Weights]] = {}
        """The weights that each engine answered with last, by their file, and its time or the seed."""
        self._thread = ThreadPoolExecutor(1, "predictions")
        self._newest_call: Future[None] | None = None

    @property
    def predicting(self) -> bool:
        """True while a request has no answer yet."""
        return self._newest_call is not None and not self._newest_call.done()

    def request(self, engine: str, image: Sequence[int], checkpoint: str, *, inside: bool = False) -> int:
        """Request a prediction by a checkpoint, or by the one beside the recording; return its id, or 0 where there is none.

        UNTRAINED in place of a checkpoint names the weights before the first step.
        """
        path = Path(checkpoint) if checkpoint else self.checkpoints.get(engine)
        if path is None:
            return 0
        self._last_id += 1
        self._newest_ids[engine] = self._last_id
        request = Predict(request_id=self._last_id, image=tuple(image), checkpoint=checkpoint, inside=inside)
        self._newest_call = self._thread.submit(self._answer, engine, request, path)
        return self._last_id

    def forget(self, seed: int = 0) -> None:
        """Drop the checkpoints and the answers: another run follows, or the same one from its start."""
        self.seed = seed
        self.checkpoints.clear()
        self._newest_ids = dict.fromkeys(self._newest_ids, self._last_id + 1)
        self.newest.clear()

    def _answer(self, engine: str, request: Predict, path: Path) -> None:
        """Answer a request, unless a newer one waits."""
        if request.request_id < self._newest_ids[engine]:
            return
        probabilities: tuple[float, ...] = ()
        problem, activations, epoch, global_step = "", "", 0, 0
        try:
            position, weights = self._load(engine, path)
            epoch, global_step = (
                position.epoch - (not position.step),
                position.global_step,
            )  # at an epoch's end it names the next
            probabilities, activations = _predict(weights, request)
        except Exception as error:  # a foreign file may hold anything
            problem = str(error) or type(error).__name__
        answer = Prediction(
            engine=engine,
            request_id=request.request_id,
            probabilities=probabilities,
            epoch=epoch,
            global_step=global_step,
            checkpoint=request.checkpoint,
            problem=problem,
            activations=activations,
        )
        if (
            request.request_id >= self._newest_ids[engine]
        ):  # else these are weights of a run that was forgotten meanwhile
            self.newest[engine] = answer

    def _load(self, engine: str, path: Path) -> tuple[Position, Weights]:
        """Read or draw the weights, unless the engine answered with them last. Raises CheckpointError."""
        from engines.experiment.checkpoint import load_model
        from engines.experiment.progress import Position
        from engines.experiment.recipe import initial_weights

        is_file = path != Path(UNTRAINED)
        version = path, path.stat().st_mtime_ns if is_file and path.is_file() else self.seed
        if engine not in self._loaded or self._loaded[engine][0] != version:
            if is_file:
                position, weights, _ = load_model(path)
            else:
                position, weights = Position(), initial_weights(self.seed)
            self._loaded[engine] = version, position, weights
        return self._loaded[engine][1:]


def _predict(weights: Weights, request: Predict) -> tuple[tuple[float, ...], str]:
    """Return the probabilities of the ten digits, and the encoded activations if they were asked for."""
    import numpy as np

    from engines.experiment.activations import encode_activations
    from engines.experiment.forward import inspect, softmax

    pixels = np.array(request.image).clip(0, 255).astype(np.uint8).reshape(28, 28)
    activations = inspect(weights, pixels)
    probabilities = softmax(activations.logits[np.newaxis])[0]
    return tuple(map(float, probabilities)), encode_activations(activations) if request.inside else ""
