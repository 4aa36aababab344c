"""Change Keras' stand-alone script for other settings than the reference's. The mirror file is pytorch_script.py."""

from __future__ import annotations

from engines.config import TrainConfig
from engines.data.sources import DatasetCopy
from engines.experiment.recipe import AFFINE, WARM_UP_FRACTION
from engines.tools.script_draft import AFTER_PATIENCE, AFTER_TARGET, BEFORE_PATIENCE, HOLD_OUT, LAYERS, Draft, Start

LOAD = "keras.datasets.mnist.load_data()"
SCALE = 'x_train = x_train[..., None].astype("float32") / 255'
SEED = "keras.utils.set_random_seed(SEED)"
INPUT = "        keras.Input((28, 28, 1)),"
LAST_LAYER = 'layers.Dense(10, activation="softmax")'
FIT = """history = model.fit(
    x_train,
    y_train,
    batch_size=BATCH_SIZE,
    epochs=EPOCHS,
    validation_data=(x_test, y_test),
    verbose=2,
)"""

OPTIMIZERS = {
    "adadelta": "keras.optimizers.Adadelta(LEARNING_RATE, rho=RHO, epsilon=EPSILON)",
    "sgd": "keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM)",
    "adam": "keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)",
    "adamw": "keras.optimizers.AdamW(LEARNING_RATE, epsilon=EPSILON, weight_decay=WEIGHT_DECAY)",
}
STEPS = "steps = EPOCHS * -(-len(x_train) // BATCH_SIZE)"
SCHEDULES = {
    "cosine": f"{STEPS}\nschedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)",
    "one-cycle": f"""{STEPS}
warm_up = {WARM_UP_FRACTION} * steps


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    \"""Rises to the peak during the warm-up, then falls along half a cosine.\"""

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rise = ops.minimum((step + 1) / warm_up, 1)
        fall = (1 + ops.cos(math.pi * (step - warm_up) / (steps - warm_up))) / 2
        return LEARNING_RATE * ops.where(step < warm_up, rise, fall)


schedule = OneCycle()""",
}
AUGMENT = f"""        layers.RandomRotation({AFFINE.degrees:g} / 360, fill_mode="constant"),
        layers.RandomTranslation({AFFINE.shift:g}, {AFFINE.shift:g}, fill_mode="constant"),
        layers.RandomZoom({AFFINE.zoom:g}, fill_mode="constant"),
        layers.RandomShear({AFFINE.shear:g}, fill_mode="constant"),"""
TARGET = '''
class Target(keras.callbacks.Callback):
    """Ends the training at the target."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if round(logs["val_accuracy"], 6) >= TARGET_ACCURACY:  # it is a float32
            self.model.stop_training = True

'''
LIMIT = "x_train, y_train, x_test, y_test = x_train[:TRAIN_SIZE], y_train[:TRAIN_SIZE], x_test[:TEST_SIZE], y_test[:TEST_SIZE]"
LOAD_WEIGHTS = f"""weights = np.load(WEIGHTS)
names = [f"weights.{{layer}}.{{kind}}" for layer in {LAYERS} for kind in ("kernel", "bias")]
model.set_weights([weights[name].astype("float32") for name in names])"""
FIT_IN_ORDER = """for epoch in range(EPOCHS):  # mnist-tui draws a new permutation in each epoch from the seed
    order = np.random.default_rng([SEED, 1, FIRST_EPOCH + epoch]).permutation(len(x_train))
    history = model.fit(
        x_train[order],
        y_train[order],
        batch_size=BATCH_SIZE,
        initial_epoch=epoch,
        epochs=epoch + 1,
        shuffle=False,
        validation_data=(x_test, y_test),
        verbose=2,
    )
    accuracy = round(history.history["val_accuracy"][0], 6)  # it was a float32"""
THREADS = {
    "tensorflow": ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "torch": ("OMP_NUM_THREADS",),
}
"""The variables that limit the threads of a backend."""


def edit_keras(draft: Draft, config: TrainConfig, digits: DatasetCopy | None, start: Start | None) -> None:
    """Make the script train as the settings say, on this copy of the digits, and from this checkpoint, if there are any."""
    _edit_environment(draft, config)
    if digits is not None:
        draft.replace(LOAD, draft.read_digits(digits))
    elif "TRAIN_SIZE" in draft.hyperparameters:
        draft.before(SCALE, LIMIT)
    if config.validation:
        draft.use("numpy as np")
        draft.before(SCALE, f"{HOLD_OUT.format(train='x_train')}\nx_train, y_train = x_train[kept], y_train[kept]")
    optimizer = OPTIMIZERS[config.optimizer]
    if config.optimizer in ("adam", "adamw"):
        draft.remarks.append("Keras' Adam adds epsilon before the bias correction, mnist-tui and PyTorch after it.")
    if config.schedule != "constant":
        draft.use("keras", "ops")
        draft.use("math")
        draft.use("typing", "Any")
        draft.before("model.compile(", SCHEDULES[config.schedule])
        optimizer = optimizer.replace("LEARNING_RATE", "schedule")
        if config.optimizer == "sgd":
            draft.remarks.append(
                "Keras' SGD scales each gradient by its own rate, mnist-tui and PyTorch the whole step."
            )
    draft.replace(OPTIMIZERS["adadelta"], optimizer)
    if config.augment == "affine":
        draft.remarks.append("Augmentation has mnist-tui's limits, and Keras' layers, one after the other.")
        draft.after(INPUT, AUGMENT)
    if config.precision == "tf32" and config.keras_backend == "torch":  # by default it is only for convolutions there
        draft.use("torch")
        draft.before("model = keras.Sequential(", 'torch.set_float32_matmul_precision("high")')
    elif config.precision == "tf32":
        draft.remarks.append("TF32 is what Keras uses on an NVIDIA GPU by default.")
    if config.precision == "bf16":
        draft.before("model = keras.Sequential(", 'keras.config.set_dtype_policy("mixed_bfloat16")')
        draft.replace(LAST_LAYER, 'layers.Dense(10, activation="softmax", dtype="float32")')
    if start is not None:
        draft.use("numpy as np")
        draft.before("# Optimizer", f"{LOAD_WEIGHTS}\n")
        loop = FIT_IN_ORDER
        if config.target_accuracy:
            loop += AFTER_TARGET
        if config.patience:
            loop = BEFORE_PATIENCE + loop + AFTER_PATIENCE
        draft.replace(FIT, loop)
    elif config.patience or config.target_accuracy:
        patient = (
            ['keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=PATIENCE)'] if config.patience else []
        )
        at_target = ["Target()"] if config.target_accuracy else []
        draft.replace("    verbose=2,", f"    callbacks=[{', '.join([*patient, *at_target])}],\n    verbose=2,")
        if at_target:
            draft.before("history = model.fit(", TARGET)


def _edit_environment(draft: Draft, config: TrainConfig) -> None:
    """Set the variables that the backend reads when it is imported."""
    if config.keras_backend != "tensorflow":
        draft.environment["KERAS_BACKEND"] = config.keras_backend
    kind, _, number = config.device.partition(",")[0].partition(":")
    if kind == "cpu":
        draft.environment["CUDA_VISIBLE_DEVICES"] = "-1"
    elif number not in ("", "0"):  # the first GPU is what it takes by itself
        draft.environment["CUDA_VISIBLE_DEVICES"] = number
    if config.threads:
        names = THREADS.get(config.keras_backend, ())
        draft.environment |= dict.fromkeys(names, str(config.threads))
        del draft.hyperparameters["THREADS"]
        if not names:
            draft.remarks.append("JAX has no setting for the number of its threads.")
