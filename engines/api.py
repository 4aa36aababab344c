"""The one module that the front ends import from."""

from typing import TYPE_CHECKING, Any

from engines import bench, paths
from engines.bench import Measurement
from engines.config import (
    ENGINES,
    PRESETS,
    TITLES,
    ConfigError,
    TrainConfig,
    from_settings,
    is_device,
    parse,
    problem,
)
from engines.data.digits import DataError, Digits
from engines.data.sources import find_digits
from engines.doctor import diagnose
from engines.events import (
    Command,
    Diverged,
    Event,
    GpuReading,
    LogLine,
    MachineUsage,
    Pause,
    Predict,
    Resume,
    RunFailed,
    RunFinished,
    RunRequested,
    SaveCheckpoint,
    Stop,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.monitors.limits import split_cores, usable_core_ids
from engines.monitors.sampler import Sample, Sampler
from engines.parity import CANT_MATCH, ParityError, prove
from engines.parity import Row as ParityRow
from engines.presets import PresetsError, tabulate
from engines.protocol import encode, to_plain
from engines.registry import engine_spec
from engines.runs.comparison import CLEAR_SECONDS, Series, badge, energy_joules, lead, verdict
from engines.runs.directory import (
    RunDirectory,
    events_file,
    list_runs,
    new_run_id,
    newest_checkpoint,
    read_events,
    read_filters,
    read_run,
)
from engines.runs.history import (
    BUILDING,
    DIVERGED,
    EVALUATING,
    FAILED,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    LOADING,
    MILESTONES,
    OFF,
    PAUSED,
    READY,
    STOPPED,
    TRAINING,
    MachineHistory,
    RunHistory,
)
from engines.runs.resume import Past, ResumeError, pasts
from engines.runs.series import BoundedSeries
from engines.runs.statistics import Verdict, p_text
from engines.setup import SetupError, build, plan
from engines.source import RULE, Section, read_source
from engines.supervisor import EngineSpec, Supervisor
from engines.version import __version__

if TYPE_CHECKING:
    from engines.data.canvas import Canvas

__all__ = [
    "BUILDING",
    "CANT_MATCH",
    "CLEAR_SECONDS",
    "DIVERGED",
    "ENGINES",
    "EVALUATING",
    "FAILED",
    "FINISHED",
    "FIRST_STEP",
    "IMPORTING",
    "LOADING",
    "MILESTONES",
    "OFF",
    "PAUSED",
    "PRESETS",
    "READY",
    "RULE",
    "STOPPED",
    "TITLES",
    "TRAINING",
    "BoundedSeries",
    "Command",
    "ConfigError",
    "DataError",
    "Diverged",
    "EngineSpec",
    "Event",
    "GpuReading",
    "LogLine",
    "MachineHistory",
    "MachineUsage",
    "Measurement",
    "ParityError",
    "ParityRow",
    "Past",
    "Pause",
    "Predict",
    "PresetsError",
    "Resume",
    "ResumeError",
    "RunDirectory",
    "RunFailed",
    "RunFinished",
    "RunHistory",
    "RunRequested",
    "Sample",
    "Sampler",
    "SaveCheckpoint",
    "Section",
    "Series",
    "SetupError",
    "Stop",
    "Supervisor",
    "TrainConfig",
    "TrainProgress",
    "Verdict",
    "WorkerExited",
    "WorkerReady",
    "WorkerSpawned",
    "WorkerUsage",
    "__version__",
    "badge",
    "bench",
    "build",
    "diagnose",
    "encode",
    "energy_joules",
    "engine_spec",
    "events_file",
    "find_digits",
    "from_settings",
    "is_device",
    "lead",
    "list_runs",
    "load_digits",
    "new_canvas",
    "new_run_id",
    "newest_checkpoint",
    "p_text",
    "parse",
    "pasts",
    "paths",
    "plan",
    "problem",
    "prove",
    "read_events",
    "read_filters",
    "read_run",
    "read_source",
    "split_cores",
    "tabulate",
    "to_plain",
    "usable_core_ids",
    "verdict",
]


def load_digits(*args: Any, **kwargs: Any) -> Digits:
    """`engines.data.load_digits`, imported when called: it needs numpy, and the app's first paint does not."""
    from engines.data import load_digits as load

    return load(*args, **kwargs)


def new_canvas() -> "Canvas":
    """A blank sheet to draw a digit on; imported when called, like `load_digits`."""
    from engines.data.canvas import Canvas

    return Canvas()
