"""A stand-alone script in the making: its text, imports and hyperparameters."""

from __future__ import annotations

import re
import sys
import textwrap

from engines.config import TrainConfig
from engines.data.sources import DatasetCopy
from engines.record import Record

HYPERPARAMETERS = "# Hyperparameters\n\n"
DATA = "# Data\n\n"
LAYERS = '("conv1", "conv2", "dense1", "dense2")'
"""The layers of a checkpoint, as Python writes them."""
READ = '''
def read(part: str, size: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Read so many images and labels of "{train}" or "{test}" from {files}."""
{body}


'''
READ_IDX = """    files = [min(Path(DATA_DIR).glob(f"{part}-{kind}*")).read_bytes() for kind in ("images", "labels")]
    images, labels = (gzip.decompress(file) if file[:2] == b"\\x1f\\x8b" else file for file in files)
    return np.frombuffer(images[16:], np.uint8).reshape(-1, 28, 28)[:size], np.frombuffer(labels[8:], np.uint8)[:size]"""
READ_NPZ = """    arrays = np.load(DATA_DIR)
    return arrays[f"x_{part}"][:size], arrays[f"y_{part}"][:size]"""
READERS = {
    "idx": ("train", "t10k", "MNIST's own files, packed or not", READ_IDX),
    "npz": ("train", "test", "Keras' mnist.npz", READ_NPZ),
}
"""The reader of each kind of copy: the names of its two parts, a description, and the code."""
ORDER_SETTINGS = ("seed", "validation", "limit_train")
"""The settings that decide the order of the digits."""
HOLD_OUT = "kept = np.sort(np.random.default_rng([SEED, 2]).permutation(len({train}))[:-VALIDATION])"
"""The code that selects the training digits which mnist-tui does not hold out."""
BEFORE_PATIENCE = "best, waited = 0.0, 0\n"
AFTER_TARGET = """
    if accuracy >= TARGET_ACCURACY:
        break"""
AFTER_PATIENCE = """
    best, waited = max(best, accuracy), 0 if accuracy > best else waited + 1
    if waited == PATIENCE:
        break"""


class Start(Record, kw_only=False):
    """A checkpoint of ours, whose weights a script loads and whose order of digits it goes on with."""

    path: str
    epoch: int
    """The epoch that it would train next."""
    step: int
    """The steps that it has trained of this epoch."""
    global_step: int
    config: TrainConfig
    """The settings of its run, as far as a checkpoint has them."""


class Draft:
    """The text of a script, which is changed in places that must be there exactly once."""

    def __init__(self, text: str) -> None:
        opening, _, rest = text.partition(HYPERPARAMETERS)
        self.code = rest.partition(DATA)[2]
        """The rest, from below the title of the data."""
        self._docstring, _, imports = opening.partition("\n\n")
        self._imports: dict[str, set[str]] = {}
        """The names imported from each module; "" is the module itself."""
        for module, origin, names in re.findall(r"^(?:import (.+)|from (\S+) import (.+))$", imports, re.MULTILINE):
            self.use(module or origin, *names.split(", ") if names else ())
        self.environment: dict[str, str] = {}
        """The variables that are set before the imports."""
        self.hyperparameters: dict[str, str] = {}
        """The constants by name, with their values as Python writes them."""
        self.remarks: list[str] = []
        """The sentences above the hyperparameters."""

    def use(self, module: str, *names: str) -> None:
        """Import a module, or names from it. What the script does not use is left out at the end."""
        self._imports.setdefault(module, set()).update(names or ("",))

    def replace(self, old: str, new: str) -> None:
        """Replace whole lines, or a part of a line. Raises ValueError unless it is there exactly once."""
        count = self.code.count(old)
        if count != 1:
            raise ValueError(f"{old!r} is in the script {count} times")
        self.code = self.code.replace(old, new)

    def before(self, line: str, new: str) -> None:
        """Insert lines before a line."""
        self.replace(f"\n{line}\n", f"\n{new}\n{line}\n")

    def after(self, line: str, new: str) -> None:
        """Insert lines after a line."""
        self.replace(f"\n{line}\n", f"\n{line}\n{new}\n")

    def read_digits(self, digits: DatasetCopy) -> str:
        """Add a function that reads a copy of the digits; return the two calls of it."""
        train, test, files, body = READERS[digits.kind]
        self.code = READ.format(train=train, test=test, files=files, body=body) + self.code
        self.use("gzip")
        self.use("pathlib", "Path")
        self.use("typing", "Any")
        self.use("numpy as np")
        self.use("numpy.typing as npt")
        return f'read("{train}", TRAIN_SIZE), read("{test}", TEST_SIZE)'

    @property
    def text(self) -> str:
        """The script."""
        lines = [f"# {line}" for remark in self.remarks for line in textwrap.wrap(remark, 100)]
        lines += [f"{name} = {value}" for name, value in self.hyperparameters.items()]
        return "\n\n".join(
            [self._docstring, *self._import_blocks(), HYPERPARAMETERS + "\n".join(lines), DATA + self.code]
        )

    def _import_blocks(self) -> list[str]:
        """Return the standard library's imports, the variables, and the other imports, each in the usual order."""
        used = set(re.findall(r"\w+", " ".join([self.code, *self.hyperparameters.values()])))
        used |= {"os"} if self.environment else set()
        if self.environment:
            self.use("os")
        imports = []
        for module, names in self._imports.items():
            kept = sorted(name for name in names if (name or module).split()[-1].partition(".")[0] in used)
            if "" in kept:
                imports.append((0, module, f"import {module}"))
            if from_module := ", ".join(filter(None, kept)):
                imports.append((1, module, f"from {module} import {from_module}"))
        standard, others = (
            "\n".join(
                text for _, module, text in sorted(imports) if (_package(module) in sys.stdlib_module_names) is own
            )
            for own in (True, False)
        )
        variables = "\n".join(f'os.environ["{name}"] = "{value}"' for name, value in self.environment.items())
        return [block for block in (standard, variables, others) if block]


def _package(module: str) -> str:
    return module.split()[0].partition(".")[0]
