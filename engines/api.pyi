"""Every name of the engines that the front ends use; api.py reads this file, and imports a name when it is first used."""

from engines import paths as paths
from engines.atomic_file import write_atomically as write_atomically
from engines.bench.engines import BenchPlace as BenchPlace, measure_engines as measure_engines
from engines.bench.growth import measure_growth as measure_growth
from engines.bench.measurement import BenchError as BenchError, Measurement as Measurement
from engines.bench.scaling import (
    ScalingRow as ScalingRow,
    measure_scaling as measure_scaling,
    scaling_notes as scaling_notes,
)
from engines.config import (
    BACKENDS as BACKENDS,
    ENGINES as ENGINES,
    FRAMEWORK_CHOICES as FRAMEWORK_CHOICES,
    PRESETS as PRESETS,
    RESET_BY_PRESET as RESET_BY_PRESET,
    SETTING_GROUPS as SETTING_GROUPS,
    TITLES as TITLES,
    ConfigError as ConfigError,
    TrainConfig as TrainConfig,
    display_name as display_name,
    engine_id as engine_id,
    is_gpu as is_gpu,
    parse as parse,
    problem as problem,
)
from engines.config_file import (
    ConfigFileError as ConfigFileError,
    config_problems as config_problems,
    read_toml as read_toml,
)
from engines.data import load_digits as load_digits
from engines.data.canvas import Canvas as Canvas
from engines.data.dataset import DataError as DataError
from engines.data.sources import find_digits as find_digits, unusable_place as unusable_place
from engines.errors import reason as reason
from engines.experiment.activations import (
    Activations as Activations,
    decode_activations as decode_activations,
    largest_difference as largest_difference,
)
from engines.experiment.checkpoint import (
    CheckpointError as CheckpointError,
    Filters as Filters,
    read_filters as read_filters,
)
from engines.exports import ExportError as ExportError
from engines.exports.models import (
    read_models as read_models,
    write_onnx as write_onnx,
    write_safetensors as write_safetensors,
)
from engines.exports.tables import as_csv as as_csv, as_json as as_json
from engines.exports.tensorboard import write_tensorboard as write_tensorboard
from engines.frameworks import PACKAGES as PACKAGES
from engines.gpu_selection import (
    BUSY_PERCENT as BUSY_PERCENT,
    auto_devices as auto_devices,
    default_device as default_device,
    free_gpus as free_gpus,
    readings_of as readings_of,
    visible_indices as visible_indices,
)
from engines.messages.codec import encode as encode, to_plain as to_plain
from engines.messages.commands import (
    ANY_GPU as ANY_GPU,
    AutoDevice as AutoDevice,
    Command as Command,
    Pause as Pause,
    Predict as Predict,
    Resume as Resume,
    Stop as Stop,
)
from engines.messages.event_parts import GpuDetails as GpuDetails
from engines.messages.events import (
    Device as Device,
    Diverged as Diverged,
    Event as Event,
    GpuReading as GpuReading,
    LayerChange as LayerChange,
    LogLine as LogLine,
    MachineUsage as MachineUsage,
    RunFailed as RunFailed,
    RunFinished as RunFinished,
    StepMeasured as StepMeasured,
    TrainProgress as TrainProgress,
    TwinsCompared as TwinsCompared,
    WorkerReady as WorkerReady,
)
from engines.monitors.gpu import GpuMonitor as GpuMonitor
from engines.numerals import parse_float as parse_float, parse_integer as parse_integer
from engines.plural import plural as plural
from engines.preset_configs import (
    for_engine as for_engine,
    from_settings as from_settings,
    preset_changes as preset_changes,
    preset_label as preset_label,
)
from engines.record import Record as Record
from engines.run_request import RunRequest as RunRequest
from engines.runs.annotations import (
    TRASH as TRASH,
    empty_trash as empty_trash,
    move_to_trash as move_to_trash,
    prunable_runs as prunable_runs,
    restore_from_trash as restore_from_trash,
    size_bytes as size_bytes,
    write_annotations as write_annotations,
)
from engines.runs.comparison import (
    compare_answers as compare_answers,
    device_of as device_of,
    time_caveat as time_caveat,
    verdict as verdict,
)
from engines.runs.energy import energy_joules as energy_joules, gpus_of as gpus_of
from engines.runs.history import MILESTONES as MILESTONES, RunHistory as RunHistory
from engines.runs.machine_history import GpuHistory as GpuHistory, MachineHistory as MachineHistory
from engines.runs.phases import (
    BUILDING as BUILDING,
    DIVERGED as DIVERGED,
    EVALUATING as EVALUATING,
    FAILED as FAILED,
    FINISHED as FINISHED,
    FIRST_STEP as FIRST_STEP,
    IMPORTING as IMPORTING,
    INTERRUPTED as INTERRUPTED,
    LOADING as LOADING,
    OFF as OFF,
    PAUSED as PAUSED,
    READY as READY,
    STOPPED as STOPPED,
    TRAINING as TRAINING,
)
from engines.runs.race import CLEAR_LEAD_SECONDS as CLEAR_LEAD_SECONDS, lead as lead
from engines.runs.reader import (
    events_file as events_file,
    is_being_recorded as is_being_recorded,
    list_runs as list_runs,
    newest_run as newest_run,
    read_events as read_events,
    read_run as read_run,
    run_start_time as run_start_time,
)
from engines.runs.resume import (
    ResumeError as ResumeError,
)
from engines.runs.run_list import (
    FilterError as FilterError,
    RunSummary as RunSummary,
    parse_filter as parse_filter,
    summarize as summarize,
)
from engines.runs.save_failures import (
    describe_save_failure as describe_save_failure,
    describe_save_failures as describe_save_failures,
)
from engines.runs.seeds import SeedResult as SeedResult, SeedResults as SeedResults, SeedRun as SeedRun
from engines.runs.statistics import (
    FEWEST_SEEDS as FEWEST_SEEDS,
    ONE_RUN_CAVEAT as ONE_RUN_CAVEAT,
    TIE as TIE,
    Verdict as Verdict,
    few_seeds_caveat as few_seeds_caveat,
    format_p_value as format_p_value,
    holm as holm,
    judge_answers as judge_answers,
)
from engines.runs.stop_request import (
    is_pending as is_pending,
    request_stop as request_stop,
    withdraw_request as withdraw_request,
)
from engines.runs.stored_seeds import read_seed_results as read_seed_results
from engines.runs.time_estimate import PaceKey as PaceKey, estimate_seconds as estimate_seconds, paces_of as paces_of
from engines.runs.time_ratio import epoch_time_ratio as epoch_time_ratio
from engines.session.common_step import step_of_rate_change as step_of_rate_change
from engines.session.fan_out import FanOut as FanOut
from engines.session.jobs import ONLY_JOB as ONLY_JOB, jobs_of as jobs_of
from engines.session.predictions import PredictionRequests as PredictionRequests
from engines.session.replay import (
    DEMO as DEMO,
    MAX_SPEED as MAX_SPEED,
    Replay as Replay,
)
from engines.session.run_source import RunSource as RunSource
from engines.session.session import Session as Session
from engines.session.watch import Watch as Watch
from engines.supervision.one_shot import run_in_thread as run_in_thread
from engines.supervision.registry import (
    EngineSpec as EngineSpec,
    engine_spec as engine_spec,
    for_backend as for_backend,
)
from engines.supervision.supervisor import Supervisor as Supervisor
from engines.terminal_type import has_braille as has_braille, is_dumb as is_dumb
from engines.tools.doctor import diagnose as diagnose
from engines.tools.hyperparameters import (
    HyperparameterRow as HyperparameterRow,
    PresetsError as PresetsError,
    tabulate as tabulate,
)
from engines.tools.parity import (
    KNOWN_DIFFERENCES as KNOWN_DIFFERENCES,
    ParityError as ParityError,
    ParityRow as ParityRow,
    prove as prove,
    recorded_proof as recorded_proof,
)
from engines.tools.script import read_start as read_start, render_script as render_script
from engines.tools.setup import (
    SetupError as SetupError,
    advice as advice,
    build as build,
    plan as plan,
)
from engines.tools.source import (
    FILE_NAME as FILE_NAME,
    RULE as RULE,
    Section as Section,
    fold as fold,
    read_script as read_script,
    read_source as read_source,
    script_lines as script_lines,
)
from engines.user_path import user_path as user_path
from engines.version import __version__ as __version__, version_and_commit as version_and_commit
