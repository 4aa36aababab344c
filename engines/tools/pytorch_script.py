"""Change PyTorch's stand-alone script for other settings than the reference's. The mirror file is keras_script.py."""

from __future__ import annotations

import math

from engines.config import TrainConfig
from engines.data.sources import DatasetCopy
from engines.experiment.recipe import AFFINE, WARM_UP_FRACTION
from engines.tools.script_draft import AFTER_PATIENCE, AFTER_TARGET, BEFORE_PATIENCE, HOLD_OUT, LAYERS, Draft, Start

AUTO_DEVICE = '"cuda" if torch.cuda.is_available() else "cpu"'
TRAIN_SET, TEST_SET = (
    f'{name} = datasets.MNIST("data", train={name == "train"}, download=True, transform=transforms.ToTensor())'
    for name in ("train", "test")
)
LOADER = "loader = DataLoader(train, BATCH_SIZE, shuffle=True)"
MODEL = "model = nn.Sequential("
MODEL_END = ").to(DEVICE)"
TO_DEVICE = "        x, y = x.to(DEVICE), y.to(DEVICE)"
LOSS = "        loss = F.cross_entropy(model(x), y)"
STEP = "        optimizer.step()"
LOGITS = "            logits = model(x)"
EPOCHS = "for epoch in range(1, EPOCHS + 1):"
LAST = '    print(f"test loss {test_loss / len(test):.4f}, accuracy {accuracy:.2%}")'

OPTIMIZERS = {
    "adadelta": "torch.optim.Adadelta(model.parameters(), lr=LEARNING_RATE, rho=RHO, eps=EPSILON)",
    "sgd": "torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)",
    "adam": "torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=EPSILON)",
    "adamw": "torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, eps=EPSILON, weight_decay=WEIGHT_DECAY)",
}
SCHEDULES = {
    "cosine": "scheduler = lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader))",
    "one-cycle": f"""steps = EPOCHS * len(loader)
warm_up = {WARM_UP_FRACTION} * steps


def factor(step: int) -> float:
    \"""Rise to the peak during the warm-up, then fall along half a cosine.\"""
    if step < warm_up:
        return min((step + 1) / warm_up, 1)
    return (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up))) / 2


scheduler = lr_scheduler.LambdaLR(optimizer, factor)""",
}
AUGMENT = f"""augment = transforms.RandomAffine(
    degrees={AFFINE.degrees:g},
    translate=({AFFINE.shift:g}, {AFFINE.shift:g}),
    scale=({1 - AFFINE.zoom:g}, {1 + AFFINE.zoom:g}),
    shear={math.degrees(math.atan(AFFINE.shear)):.2f},
    interpolation=transforms.InterpolationMode.BILINEAR,
)"""
SETS = """train, test = (
    TensorDataset(torch.tensor(images)[:, None] / 255, torch.tensor(labels).long())
    for images, labels in ({parts})
)"""
AUTOCAST = "with torch.autocast(x.device.type, torch.bfloat16):"
ORDER = '''

class Order(Sampler[int]):
    """The order of the digits in mnist-tui: a new permutation in each epoch, drawn from the seed."""

    epoch = FIRST_EPOCH

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([SEED, 1, self.epoch]).permutation(len(train))
        self.epoch += 1
        return iter(order.tolist())

    def __len__(self) -> int:
        return len(train)

'''
LOAD_WEIGHTS = f"""
weights = np.load(WEIGHTS)
trainable = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)]
for name, layer in zip({LAYERS}, trainable, strict=True):
    kernel = weights[f"weights.{{name}}.kernel"].astype("float32")
    if name == "dense1":  # Keras flattens (height, width, channel), PyTorch (channel, height, width)
        kernel = kernel.reshape(12, 12, 64, 128).transpose(2, 0, 1, 3).reshape(9216, 128)
    bias = torch.tensor(weights[f"weights.{{name}}.bias"].astype("float32"))
    layer.load_state_dict({{"weight": torch.tensor(np.moveaxis(kernel, (-1, -2), (0, 1))), "bias": bias}})"""


def edit_pytorch(draft: Draft, config: TrainConfig, digits: DatasetCopy | None, start: Start | None) -> None:
    """Make the script train as the settings say, on this copy of the digits, and from this checkpoint, if there are any."""
    device = config.device.partition(",")[0]
    draft.hyperparameters["DEVICE"] = AUTO_DEVICE if device in ("auto", "all") else f'"{device}"'
    _edit_data(draft, digits)
    optimizer = OPTIMIZERS[config.optimizer]
    if config.schedule != "constant":
        draft.use("math")
        draft.use("torch.optim", "lr_scheduler")
        optimizer += f"\n{SCHEDULES[config.schedule]}"
        draft.after(STEP, "        scheduler.step()")
    draft.replace(OPTIMIZERS["adadelta"], optimizer)
    if config.augment == "affine":
        draft.remarks.append("Augmentation has mnist-tui's limits, and torchvision's way of drawing within them.")
        draft.before(LOADER, AUGMENT)
        draft.after(TO_DEVICE, "        x = torch.stack([augment(image) for image in x])")
    if config.precision == "tf32":
        draft.before(MODEL, 'torch.set_float32_matmul_precision("high")')
    if config.precision == "bf16":
        draft.replace(LOSS, f"        {AUTOCAST}\n    {LOSS}")
        draft.replace(LOGITS, f"            {AUTOCAST}\n    {LOGITS}.float()")
    if config.threads:
        draft.before(MODEL, "torch.set_num_threads(THREADS)")
    if config.patience:
        draft.replace(EPOCHS, BEFORE_PATIENCE + EPOCHS)
        draft.replace(LAST, LAST + AFTER_PATIENCE)
    if config.target_accuracy:
        draft.replace(LAST, LAST + AFTER_TARGET)
    if start is not None:
        draft.use("collections.abc", "Iterator")
        draft.use("numpy as np")
        draft.use("torch.utils.data", "Sampler")
        draft.before(LOADER, ORDER)
        draft.replace("shuffle=True", "sampler=Order()")
        draft.after(MODEL_END, LOAD_WEIGHTS)


def _edit_data(draft: Draft, digits: DatasetCopy | None) -> None:
    """Read the digits from a copy, or no more of torchvision's than the settings say, and leave out the held-out ones."""
    if digits is not None:
        draft.use("torch.utils.data", "TensorDataset")
        draft.replace(f"{TRAIN_SET}\n{TEST_SET}", SETS.format(parts=draft.read_digits(digits)))
    elif "TRAIN_SIZE" in draft.hyperparameters:
        draft.use("torch.utils.data", "Subset")
        draft.after(TEST_SET, "train, test = Subset(train, range(TRAIN_SIZE)), Subset(test, range(TEST_SIZE))")
    if "VALIDATION" in draft.hyperparameters:
        draft.use("numpy as np")
        draft.use("torch.utils.data", "Subset")
        draft.before(LOADER, f"{HOLD_OUT.format(train='train')}\ntrain = Subset(train, kept.tolist())")
