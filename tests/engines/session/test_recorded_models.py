"""The models of a recording: who answers, with which weights, and what is said of weights that can't be read."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from engines.experiment.activations import decode_activations
from engines.experiment.forward import forward, softmax
from engines.experiment.recipe import initial_weights
from engines.messages.commands import UNTRAINED
from engines.messages.events import Event, Prediction
from engines.runs.reader import read_events
from engines.session.predictions import PredictionRequests
from engines.session.recorded_models import RecordedModels
from engines.session.replay import DEMO, Replay
from engines.session.run_source import NO_WEIGHTS
from tui.tour.strokes import draw_digit

SEVEN = [int(grey) for grey in draw_digit(7).normalised().ravel()]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return the events of the demo."""
    return list(read_events(DEMO))


def finished(events: list[Event], folder: Path | None) -> Replay:
    """Return a replay of the events that stands at its end."""
    replay = Replay(events, clock=lambda: 0.0, folder=folder)
    replay.seek(1e9)
    replay.drain()
    return replay


def wait_for_answers(models: RecordedModels) -> None:
    """Wait until everything that was requested is answered."""
    models._thread.submit(lambda: None).result(30)


def test_both_models_of_the_demo_read_a_seven(events: list[Event]) -> None:
    replay = finished(events, DEMO.parent)
    requests = PredictionRequests(replay)
    requests.request(SEVEN)
    assert requests.waiting
    wait_for_answers(replay._models)
    replay.drain()
    assert not requests.waiting
    for history in replay.histories.values():
        probabilities = requests.probabilities(history, exact=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert int(np.argmax(probabilities)) == 7
        assert (requests.problem(history), requests.source(history)) == ("", "final weights")
        assert history.prediction is not None
        assert history.prediction.global_step == 938


def test_a_replay_predicts_until_every_answer_is_there(events: list[Event]) -> None:
    replay, may_answer = Replay(events, clock=lambda: 0.0, folder=DEMO.parent), threading.Event()
    assert not replay.predicting
    replay._models._thread.submit(may_answer.wait, 30)
    for engine in replay.histories:
        replay.predict(engine, SEVEN)
        assert replay.predicting
    may_answer.set()
    wait_for_answers(replay._models)
    assert not replay.predicting
    assert set(replay._models.newest) == set(replay.histories)


def test_before_their_first_step_both_models_are_the_same_and_guess(events: list[Event]) -> None:
    """The answers are asked for again when the recording passes the first step, in either direction."""
    seconds = 0.0
    replay = Replay(events, clock=lambda: 0.0, folder=DEMO.parent)
    requests = PredictionRequests(replay, lambda: seconds)
    requests.request(SEVEN)
    for moves, source in ((0.0, "before its first step"), (1e9, "final weights"), (-1e9, "before its first step")):
        replay.seek(moves)
        replay.drain()
        seconds += 1.0
        assert requests.refresh() is bool(moves)
        wait_for_answers(replay._models)
        replay.drain()
        assert not requests.refresh()
        answers = [requests.probabilities(history) for history in replay.histories.values()]
        assert [requests.source(history) for history in replay.histories.values()] == [source] * 2
        assert (answers[0] == answers[1]) is (max(answers[0]) < 0.12) is (source == "before its first step")


def test_a_recording_draws_the_first_weights_from_its_own_seed() -> None:
    answers = []
    for seed in (0, 1):
        models = RecordedModels(DEMO.parent, ["pytorch"], seed)
        models.request("pytorch", SEVEN, UNTRAINED)
        wait_for_answers(models)
        images = np.array(SEVEN, np.uint8).reshape(1, 28, 28)
        answers.append(models.newest["pytorch"].probabilities)
        assert answers[-1] == pytest.approx(softmax(forward(initial_weights(seed), images))[0].tolist(), abs=1e-5)
    assert answers[0] != answers[1]


def test_a_recording_shows_the_inside_of_its_networks(events: list[Event]) -> None:
    """The logits inside give the probabilities, and only a request for the inside is answered with it."""
    replay = Replay(events, clock=lambda: 0.0, folder=DEMO.parent)
    for inside in (True, False):
        requests = PredictionRequests(replay, inside=inside)
        requests.request(SEVEN)
        wait_for_answers(replay._models)
        replay.drain()
        for history in replay.histories.values():
            assert history.prediction is not None
            if inside:
                logits = decode_activations(history.prediction.activations).logits
                assert softmax(logits[np.newaxis])[0] == pytest.approx(history.prediction.probabilities)
            else:
                assert history.prediction.activations == ""


def test_predictions_stay_when_the_recording_moves(events: list[Event]) -> None:
    """They are of the user's digit; the recording's own answers are those to another user's."""
    asked = Prediction(engine="keras", t=events[-1].t, request_id=2, probabilities=(1.0,) * 10, epoch=1, global_step=1)
    seconds = 0.0
    replay = Replay([*events, asked], clock=lambda: seconds, folder=DEMO.parent)
    replay.seek(50.0)
    replay.drain()
    requests = PredictionRequests(replay)
    requests.request(SEVEN)
    wait_for_answers(replay._models)
    replay.drain()
    before = [requests.probabilities(history) for history in replay.histories.values()]
    for step in (1e9, -50.0):
        replay.seek(step)
        replay.drain()
        assert [requests.probabilities(history) for history in replay.histories.values()] == before
        seconds += 5
        assert not requests.refresh(), "the weights do not change"


def test_without_weights_no_model_answers(events: list[Event], tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        replay = Replay(events, folder=folder)
        requests = PredictionRequests(replay)
        requests.request(SEVEN)
        assert not requests.waiting
        assert [requests.problem(history) for history in replay.histories.values()] == [NO_WEIGHTS] * 2


def test_damaged_weights_are_a_reason(events: list[Event], tmp_path: Path) -> None:
    shutil.copy(DEMO.with_name("pytorch.npz"), tmp_path)
    (tmp_path / "keras.npz").write_bytes(DEMO.with_name("keras.npz").read_bytes()[:100_000])
    replay = finished(events, tmp_path)
    requests = PredictionRequests(replay)
    requests.request(SEVEN)
    wait_for_answers(replay._models)
    replay.drain()
    assert requests.problem(replay.histories["pytorch"]) == ""
    assert "keras.npz is not a checkpoint of mnist-tui" in requests.problem(replay.histories["keras"])
    assert not requests.waiting


def test_a_checkpoint_may_be_named(tmp_path: Path) -> None:
    """A kept run that Results opens has its own weights."""
    kept = str(shutil.copy(DEMO.with_name("pytorch.npz"), tmp_path / "kept.npz"))
    models = RecordedModels(None, ["pytorch"])
    assert models.request("pytorch", SEVEN, "") == 0
    assert models.request("pytorch", SEVEN, kept) == 1
    wait_for_answers(models)
    assert models.newest["pytorch"].checkpoint == kept
    assert models.newest["pytorch"].probabilities
    models.request("pytorch", SEVEN, str(tmp_path / "gone.npz"))
    wait_for_answers(models)
    assert "gone.npz can't be read" in models.newest["pytorch"].problem
