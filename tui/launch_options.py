"""The choices of the launcher: frameworks, devices and presets, why some can't be used, and how long a run will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engines.api import (
    ANY_GPU,
    BUSY_PERCENT,
    FRAMEWORK_CHOICES,
    PRESETS,
    TITLES,
    AutoDevice,
    ConfigError,
    Device,
    GpuReading,
    PaceKey,
    Record,
    RunHistory,
    RunRequest,
    RunSource,
    TrainConfig,
    auto_devices,
    default_device,
    estimate_seconds,
    plural,
    preset_changes,
    readings_of,
)
from tui import formatting

DEVICE_SETTINGS = ("device", "pytorch_device", "keras_device")


class LaunchOption(Record, kw_only=False):
    """One choice."""

    label: str
    request: RunRequest
    """The request once this is chosen."""
    chosen: bool
    reason: str = ""
    """The reason why it can't be used; empty when it can."""


def rows(source: RunSource, paces: Mapping[PaceKey, float]) -> dict[str, list[LaunchOption]]:
    """Return the options of the next run by what they choose; `paces` are those of saved runs."""
    request, histories = source.request, source.histories
    return {
        "framework": frameworks(request, histories),
        "device": devices(request, histories, source.machine.gpu_readings),
        "preset": presets(request, histories, paces),
    }


def frameworks(request: RunRequest, histories: Mapping[str, RunHistory]) -> list[LaunchOption]:
    """Return both frameworks, or each alone; only those that this app has."""
    return [
        LaunchOption(TITLES.get(name, name.capitalize()), request.choose("framework", name), name == request.framework)
        for name, engines in FRAMEWORK_CHOICES.items()
        if all(engine in histories for engine in engines)
    ]


def presets(
    request: RunRequest, histories: Mapping[str, RunHistory], paces: Mapping[PaceKey, float]
) -> list[LaunchOption]:
    """Return the presets, each with its estimated time; `paces` are those of saved runs."""
    options = []
    for preset in PRESETS:
        chosen = preset == request.value("preset")
        choice = request if chosen else request.choose("preset", preset)
        seconds = run_seconds(choice, histories, paces)
        label = f"{preset} {formatting.about(seconds)}" if seconds is not None else preset
        options.append(LaunchOption(label, choice, chosen))
    return options


class DeviceChoice(Record, kw_only=False):
    """A value of a setting that names devices."""

    value: str
    label: str
    reason: str = ""
    """The reason why it can't be used; empty when it can."""


def device_choices(
    engines: Sequence[str],
    histories: Mapping[str, RunHistory],
    gpus: Sequence[GpuReading],
    autos: Mapping[str, AutoDevice],
) -> list[DeviceChoice]:
    """Return auto, the CPU, every GPU that one of these engines knows, and all GPUs; `gpus` are the driver's readings.

    `autos` says what decides the device of each engine on auto; see `auto_devices`.
    """
    chosen = [histories[engine] for engine in engines if engine in histories]
    known = _known_devices(chosen)
    auto = name_devices(
        {
            history.engine: default_device(_devices(history), autos.get(history.engine, ANY_GPU))
            for history in chosen
            if _devices(history)
        }
    )
    choices = [
        DeviceChoice("auto", f"auto = {_described(auto, known, gpus)}" if auto else "auto"),
        DeviceChoice("cpu", "cpu"),
    ]
    for name in dict.fromkeys(name for its in known.values() for name in its if name != "cpu"):
        reasons = {TITLES.get(engine, engine): its[name].reason for engine, its in known.items() if name in its}
        why = next(filter(None, reasons.values()), "")
        if why and not all(reasons.values()):
            why = "; ".join(f"{title}: {reason}" for title, reason in reasons.items() if reason)
        choices.append(DeviceChoice(name, name if why else _described(name, known, gpus), why))
    if (count := len(_usable_gpus(known))) > 1:
        choices.append(DeviceChoice("all", f"all {count} GPUs"))
    return choices


def devices(request: RunRequest, histories: Mapping[str, RunHistory], gpus: Sequence[GpuReading]) -> list[LaunchOption]:
    """Return every device that a chosen framework knows, and ways to use several; `gpus` are the driver's readings."""
    mode = str(request.value("mode"))
    choices = device_choices(
        request.engines, histories, gpus, auto_devices(mode, dict.fromkeys(request.engines, "auto"))
    )
    options = [_for_device(request, choice.value, choice.label, choice.reason) for choice in choices]
    chosen = [histories[engine] for engine in request.engines if engine in histories]
    usable = _usable_gpus(_known_devices(chosen))
    if len(usable) > 1 and len(chosen) > 1:
        each = dict(zip((f"{history.engine}_device" for history in chosen), usable, strict=False))
        options.append(_for_device(request, "auto", f"one each: {' and '.join(each.values())}", **each))
    if not any(option.chosen for option in options):  # one that the command line named
        options.insert(0, LaunchOption(chosen_device(request, histories), request, chosen=True))
    return options


def _known_devices(histories: Sequence[RunHistory]) -> dict[str, dict[str, Device]]:
    """Return the devices by engine and id."""
    return {history.engine: {device.id: device for device in _devices(history)} for history in histories}


def _usable_gpus(known: Mapping[str, Mapping[str, Device]]) -> list[str]:
    """Return the ids of the GPUs that every engine can use."""
    names = dict.fromkeys(name for its in known.values() for name in its if name != "cpu")
    return [name for name in names if all(name in its and its[name].usable for its in known.values())]


def _devices(history: RunHistory) -> Sequence[Device]:
    """Return the devices that the engine's current or last worker reported."""
    return history.last_worker_ready.devices if history.last_worker_ready is not None else ()


def _for_device(request: RunRequest, device: str, label: str, reason: str = "", **each: str) -> LaunchOption:
    choice = request.choose("device", device)
    for name in DEVICE_SETTINGS[1:]:
        choice = choice.choose(name, each.get(name, ""))
    return LaunchOption(label, choice, choice == request, reason)


def _described(name: str, known: Mapping[str, Mapping[str, Device]], gpus: Sequence[GpuReading]) -> str:
    """Return a device's id with its name, its free memory, and whether something uses it."""
    device = next((its[name] for its in known.values() if name in its), None)
    if device is None or name == "cpu":
        return name
    text = f"{name} {formatting.gpu_name(device.name)}"
    for gpu in readings_of(name, [device], gpus):
        if gpu.memory_total_bytes is not None and gpu.memory_used_bytes is not None:
            text += f", {(gpu.memory_total_bytes - gpu.memory_used_bytes) / 1e9:.0f} GB free"
        if gpu.utilization_percent is not None and gpu.utilization_percent >= BUSY_PERCENT:
            text += ", in use"
    return text


def next_option(options: Sequence[LaunchOption], direction: int) -> RunRequest:
    """Return the request with the next usable option (1), or the one before (-1), after the chosen one."""
    usable = [option for option in options if option.chosen or not option.reason]
    index = next((i for i, option in enumerate(usable) if option.chosen), 0)
    return usable[(index + direction) % len(usable)].request


def chosen_device(request: RunRequest, histories: Mapping[str, RunHistory]) -> str:
    """Name where the request trains: one device, or those of PyTorch and Keras."""
    return name_devices(resolved_devices(request, histories)) or str(request.value("device"))


def name_devices(devices: Mapping[str, str]) -> str:
    """Name the devices of engines: one that they share, or "PyTorch cuda:0 + Keras cuda:1"."""
    if len(names := dict.fromkeys(devices.values())) < 2:
        return "".join(names)
    return " + ".join(f"{TITLES.get(engine, engine)} {device}" for engine, device in devices.items())


def resolved_devices(request: RunRequest, histories: Mapping[str, RunHistory]) -> dict[str, str]:
    """Return the device of each chosen engine; "auto" is replaced once the engine's worker has reported its devices."""
    resolved = {e: str(request.value(f"{e}_device") or request.value("device")) for e in request.engines}
    autos = auto_devices(str(request.value("mode")), resolved)
    for engine, setting in resolved.items():
        known = _devices(histories[engine]) if engine in histories else ()
        if setting == "auto" and known:
            resolved[engine] = default_device(known, autos[engine])
    return resolved


def describe_run(request: RunRequest) -> list[str]:
    """Describe epochs, digits, batch and optimizer, most important first; in one sentence when the settings can't be used."""
    try:
        config = request.config
    except ConfigError as error:
        return [str(error)]
    turns = "one after the other" if config.mode == "time-trial" else "both at once"
    return [
        plural(config.epochs, "epoch"),
        f"{config.limit_train or 60_000:,} digits",
        f"batch {config.batch_size}",
        config.optimizer.capitalize(),
        *([turns] if len(request.engines) > 1 else []),
        *([plural(config.seeds, "seed")] if config.seeds > 1 else []),
        *([f"changed: {changes}"] if (changes := preset_changes(config)) else []),
    ]


def run_seconds(
    request: RunRequest, histories: Mapping[str, RunHistory], paces: Mapping[PaceKey, float]
) -> float | None:
    """Estimate how long the requested run will take, in seconds; None while that is unknown."""
    try:
        config = request.config
    except ConfigError:
        return None
    configs: dict[str, TrainConfig] = {engine: config for engine in request.engines if engine in histories}
    warm_rates = {engine: history.warm_samples_per_sec for engine, history in histories.items()}
    return estimate_seconds(configs, resolved_devices(request, histories), paces, warm_rates)
