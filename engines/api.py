"""The one module that the front ends import from.

What an app needs only after its first paint is imported when it is first asked for: `api.Supervisor` where it is used, instead of
`from engines.api import Supervisor` above.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engines import paths
from engines.braille import has_braille
from engines.config import (
    BACKENDS,
    ENGINES,
    FRAMEWORKS,
    PRESETS,
    TITLES,
    ConfigError,
    TrainConfig,
    from_settings,
    is_device,
    parse,
    preset_changes,
    preset_label,
    problem,
    titled,
    variant,
)
from engines.errors import reason
from engines.events import (
    Command,
    Diverged,
    EpochStarted,
    Event,
    GpuReading,
    Heartbeat,
    LogLine,
    MachineUsage,
    Pause,
    Predict,
    Prediction,
    Resume,
    RunFailed,
    RunFinished,
    RunRequested,
    SaveCheckpoint,
    SaveFailed,
    Stop,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.numerals import parse_float, parse_integer
from engines.plural import plural
from engines.registry import EngineSpec, engine_spec, for_backend
from engines.runs.comparison import (
    CLEAR_SECONDS,
    Series,
    badge,
    compare_answers,
    device_of,
    energy_joules,
    gpus_of,
    lead,
    verdict,
)
from engines.runs.history import (
    BUILDING,
    DIVERGED,
    EVALUATING,
    FAILED,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    INTERRUPTED,
    LOADING,
    MILESTONES,
    OFF,
    PAUSED,
    READY,
    STOPPED,
    TRAINING,
    RunHistory,
)
from engines.runs.machine import MachineHistory
from engines.runs.save_failures import save_failure, save_failures
from engines.runs.series import BoundedSeries
from engines.runs.statistics import ONE_RUN_CAVEAT, TIE, Verdict, holm, judge_answers, p_text
from engines.user_path import user_path
from engines.values import Value
from engines.version import __version__

if TYPE_CHECKING:
    from engines import bench
    from engines.asking import run_in_thread
    from engines.bench import Measurement
    from engines.config_file import ConfigFileError, config_problems, read_toml
    from engines.data import load_digits
    from engines.data.canvas import Canvas
    from engines.data.digits import DataError
    from engines.data.sources import find_digits
    from engines.doctor import diagnose
    from engines.exports import ExportError
    from engines.exports.models import read_weights, write_onnx, write_safetensors
    from engines.exports.series import as_csv, as_json
    from engines.exports.tensorboard import write_tensorboard
    from engines.monitors.limits import split_cores, usable_core_ids
    from engines.monitors.sampler import Sample, Sampler
    from engines.parity import CANT_MATCH, ParityError, prove
    from engines.parity import Row as ParityRow
    from engines.presets import PresetsError, tabulate
    from engines.presets import Row as HyperparameterRow
    from engines.protocol import encode, to_plain
    from engines.runs.directory import (
        RunDirectory,
        events_file,
        list_runs,
        new_run_id,
        newest_checkpoint,
        read_events,
        read_filters,
        read_run,
        run_began,
    )
    from engines.runs.keeping import TRASH, empty_trash, size_bytes, throw_away, to_prune, write_about
    from engines.runs.listing import FIELDS, FilterError, Listed, listed, parse_filter
    from engines.runs.resume import Past, ResumeError, pasts, schedule_warning
    from engines.setup import SetupError, build, plan
    from engines.source import RULE, Section, read_source, script_lines
    from engines.supervisor import Supervisor
    from engines.whole import write_whole

_LATER = {
    "CANT_MATCH": ("engines.parity", "CANT_MATCH"),
    "ConfigFileError": ("engines.config_file", "ConfigFileError"),
    "DataError": ("engines.data.digits", "DataError"),
    "ExportError": ("engines.exports", "ExportError"),
    "FIELDS": ("engines.runs.listing", "FIELDS"),
    "FilterError": ("engines.runs.listing", "FilterError"),
    "HyperparameterRow": ("engines.presets", "Row"),
    "Listed": ("engines.runs.listing", "Listed"),
    "Measurement": ("engines.bench", "Measurement"),
    "ParityError": ("engines.parity", "ParityError"),
    "ParityRow": ("engines.parity", "Row"),
    "Past": ("engines.runs.resume", "Past"),
    "PresetsError": ("engines.presets", "PresetsError"),
    "RULE": ("engines.source", "RULE"),
    "ResumeError": ("engines.runs.resume", "ResumeError"),
    "RunDirectory": ("engines.runs.directory", "RunDirectory"),
    "Sample": ("engines.monitors.sampler", "Sample"),
    "Sampler": ("engines.monitors.sampler", "Sampler"),
    "Section": ("engines.source", "Section"),
    "SetupError": ("engines.setup", "SetupError"),
    "Supervisor": ("engines.supervisor", "Supervisor"),
    "TRASH": ("engines.runs.keeping", "TRASH"),
    "as_csv": ("engines.exports.series", "as_csv"),
    "as_json": ("engines.exports.series", "as_json"),
    "bench": ("engines.bench", ""),
    "build": ("engines.setup", "build"),
    "config_problems": ("engines.config_file", "config_problems"),
    "diagnose": ("engines.doctor", "diagnose"),
    "empty_trash": ("engines.runs.keeping", "empty_trash"),
    "encode": ("engines.protocol", "encode"),
    "events_file": ("engines.runs.directory", "events_file"),
    "find_digits": ("engines.data.sources", "find_digits"),
    "list_runs": ("engines.runs.directory", "list_runs"),
    "listed": ("engines.runs.listing", "listed"),
    "load_digits": ("engines.data", "load_digits"),
    "new_run_id": ("engines.runs.directory", "new_run_id"),
    "newest_checkpoint": ("engines.runs.directory", "newest_checkpoint"),
    "parse_filter": ("engines.runs.listing", "parse_filter"),
    "pasts": ("engines.runs.resume", "pasts"),
    "plan": ("engines.setup", "plan"),
    "prove": ("engines.parity", "prove"),
    "read_events": ("engines.runs.directory", "read_events"),
    "read_filters": ("engines.runs.directory", "read_filters"),
    "read_run": ("engines.runs.directory", "read_run"),
    "read_source": ("engines.source", "read_source"),
    "read_toml": ("engines.config_file", "read_toml"),
    "read_weights": ("engines.exports.models", "read_weights"),
    "run_began": ("engines.runs.directory", "run_began"),
    "run_in_thread": ("engines.asking", "run_in_thread"),
    "schedule_warning": ("engines.runs.resume", "schedule_warning"),
    "script_lines": ("engines.source", "script_lines"),
    "size_bytes": ("engines.runs.keeping", "size_bytes"),
    "split_cores": ("engines.monitors.limits", "split_cores"),
    "tabulate": ("engines.presets", "tabulate"),
    "throw_away": ("engines.runs.keeping", "throw_away"),
    "to_plain": ("engines.protocol", "to_plain"),
    "to_prune": ("engines.runs.keeping", "to_prune"),
    "usable_core_ids": ("engines.monitors.limits", "usable_core_ids"),
    "write_about": ("engines.runs.keeping", "write_about"),
    "write_onnx": ("engines.exports.models", "write_onnx"),
    "write_safetensors": ("engines.exports.models", "write_safetensors"),
    "write_tensorboard": ("engines.exports.tensorboard", "write_tensorboard"),
    "write_whole": ("engines.whole", "write_whole"),
}
"""Where to find each name that is imported when it is asked for: (module, name in it, or nothing for the module itself)."""


def __getattr__(name: str) -> Any:
    """A name of _LATER. Raises AttributeError for any other."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


__all__ = [
    "BACKENDS",
    "BUILDING",
    "CANT_MATCH",
    "CLEAR_SECONDS",
    "DIVERGED",
    "ENGINES",
    "EVALUATING",
    "FAILED",
    "FIELDS",
    "FINISHED",
    "FIRST_STEP",
    "FRAMEWORKS",
    "IMPORTING",
    "INTERRUPTED",
    "LOADING",
    "MILESTONES",
    "OFF",
    "ONE_RUN_CAVEAT",
    "PAUSED",
    "PRESETS",
    "READY",
    "RULE",
    "STOPPED",
    "TIE",
    "TITLES",
    "TRAINING",
    "TRASH",
    "BoundedSeries",
    "Command",
    "ConfigError",
    "ConfigFileError",
    "DataError",
    "Diverged",
    "EngineSpec",
    "EpochStarted",
    "Event",
    "ExportError",
    "FilterError",
    "GpuReading",
    "Heartbeat",
    "HyperparameterRow",
    "Listed",
    "LogLine",
    "MachineHistory",
    "MachineUsage",
    "Measurement",
    "ParityError",
    "ParityRow",
    "Past",
    "Pause",
    "Predict",
    "Prediction",
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
    "SaveFailed",
    "Section",
    "Series",
    "SetupError",
    "Stop",
    "Supervisor",
    "TrainConfig",
    "TrainProgress",
    "Value",
    "Verdict",
    "WorkerExited",
    "WorkerReady",
    "WorkerSpawned",
    "WorkerUsage",
    "__version__",
    "as_csv",
    "as_json",
    "badge",
    "bench",
    "build",
    "compare_answers",
    "config_problems",
    "device_of",
    "diagnose",
    "empty_trash",
    "encode",
    "energy_joules",
    "engine_spec",
    "events_file",
    "find_digits",
    "for_backend",
    "from_settings",
    "gpus_of",
    "has_braille",
    "holm",
    "is_device",
    "judge_answers",
    "lead",
    "list_runs",
    "listed",
    "load_digits",
    "new_canvas",
    "new_run_id",
    "newest_checkpoint",
    "p_text",
    "parse",
    "parse_filter",
    "parse_float",
    "parse_integer",
    "pasts",
    "paths",
    "plan",
    "plural",
    "preset_changes",
    "preset_label",
    "problem",
    "prove",
    "read_events",
    "read_filters",
    "read_run",
    "read_source",
    "read_toml",
    "read_weights",
    "reason",
    "run_began",
    "run_in_thread",
    "save_failure",
    "save_failures",
    "schedule_warning",
    "script_lines",
    "size_bytes",
    "split_cores",
    "tabulate",
    "throw_away",
    "titled",
    "to_plain",
    "to_prune",
    "usable_core_ids",
    "user_path",
    "variant",
    "verdict",
    "write_about",
    "write_onnx",
    "write_safetensors",
    "write_tensorboard",
    "write_whole",
]


def new_canvas() -> "Canvas":
    """A blank sheet to draw a digit on; imported when called: it needs numpy, and the app's first paint does not."""
    from engines.data.canvas import Canvas

    return Canvas()
