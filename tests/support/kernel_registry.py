"""Find the copies between a GPU and the host in a graph of TensorFlow, by the kernels that its build has; no GPU is needed.

Import it only in a process of its own, with TensorFlow.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

Graph = Any
Operation = Any
CALLS = {
    "While": ("body", "cond"),
    "StatelessWhile": ("body", "cond"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}
"""The operations that run graphs, and the attributes that name these."""


def copies(graph: Graph, path: str = "", in_loop: bool = False) -> Iterator[str]:
    """Yield a line for each operation of a loop that would run on the host, and for each value copied from the GPU to the host.

    A GPU keeps int32 loop variables and resource handles on the host. Constants and copies to the GPU need no synchronisation.
    """
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    on_host: dict[Any, bool] = {}
    needed = reachable(graph)
    for op in graph.get_operations():
        if op.type == "Placeholder" or op.type in CALLS:
            on_host |= {output.ref(): output.dtype.name in ("int32", "resource") for output in op.outputs}
            for attribute in CALLS.get(op.type, ()):
                name = op.get_attr(attribute).name
                inner = function_def_to_graph(definition(graph, name))
                yield from copies(inner, f"{path}{op.name}:{attribute}/", in_loop or op.type.endswith("While"))
        elif op.type == "Identity":  # TensorFlow's optimizer removes it
            on_host[op.outputs[0].ref()] = on_host[op.inputs[0].ref()]
        else:
            kernel = gpu_kernel(op)
            if kernel is None and in_loop and op in needed:
                yield f"{path}{op.name}: no GPU kernel of {op.type} for {[value.dtype.name for value in op.inputs]}"
            for value, host in zip(op.inputs, host_arguments(op, op.op_def.input_arg, kernel), strict=True):
                if host and not on_host[value.ref()] and in_loop and op in needed and value.op.type != "Const":
                    yield f"{path}{op.name}: {op.type} needs {value.name} ({value.dtype.name}) on the host"
            for value, host in zip(op.outputs, host_arguments(op, op.op_def.output_arg, kernel), strict=True):
                on_host[value.ref()] = host
    for value in graph.outputs if in_loop else ():
        if value.dtype.name in ("int32", "bool") and not on_host[value.ref()]:
            yield f"{path}: the loop needs {value.name} ({value.dtype.name}) on the host"


def definition(graph: Graph, name: str) -> Any:
    """Return the FunctionDef of a function that the graph calls."""
    return next(function for function in graph.as_graph_def().library.function if function.signature.name == name)


def reachable(graph: Graph) -> set[Operation]:
    """Return the operations that run: what the outputs and the effects need."""
    found: set[Operation] = set()
    waiting = [value.op for value in graph.outputs] + [op for op in graph.get_operations() if op.op_def.is_stateful]
    waiting += [op if hasattr(op, "op_def") else graph.get_operation_by_name(op) for op in graph.control_outputs]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [value.op for value in op.inputs] + list(op.control_inputs)
    return found


@functools.cache
def registered_kernels(op_type: str, device: str) -> list[Any]:
    """Return the KernelDefs of an operation for a type of device, without those that are chosen by a label."""
    from tensorflow.python.framework import kernels

    registered = kernels.get_registered_kernels_for_op(op_type).kernel
    return [kernel for kernel in registered if kernel.device_type == device and not kernel.label]


def gpu_kernel(op: Operation) -> Any:
    """Return the KernelDef that a GPU would run; None if only the host has one."""
    for device in ("GPU", "DEFAULT"):  # the latter is for every device without one of its own
        registered = registered_kernels(op.type, device)
        matching = [kernel for kernel in registered if all(allows(part, op) for part in kernel.constraint)]
        if matching:
            return max(matching, key=lambda kernel: kernel.priority)
    return None


def allows(constraint: Any, op: Operation) -> bool:
    """Return whether a kernel's constraint on one attribute holds for the types of an operation."""
    value = op.get_attr(constraint.name)
    types = value if isinstance(value, list | tuple) else [value]
    return {one.as_datatype_enum for one in types} <= set(constraint.allowed_values.list.type)


def host_arguments(op: Operation, arguments: Any, kernel: Any) -> list[bool]:
    """Return, for each input or output of an operation, whether its kernel has it in the host's memory."""
    found = []
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = op.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(op.get_attr(argument.type_list_attr))
        found += count * [kernel is None or argument.name in kernel.host_memory_arg]
    return found
