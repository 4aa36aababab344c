"""Frozen values with named fields: dataclasses without the code that a dataclass writes and compiles for each class.

That is six functions a class; for the thirty kinds of messages it took longer than to import all else that is ours.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from typing import dataclass_transform
else:

    def dataclass_transform(**_):
        """For type checkers alone; Python 3.10, in which a worker may run, has none."""
        return lambda kind: kind


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Its subclasses are dataclasses, as if by `@dataclass(frozen=True, kw_only=True)`; defaults must be immutable.

    `class Place(Value, kw_only=False)` takes its fields in their order, too.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
        _required: ClassVar[frozenset[str]]
        _in_order: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        cls._required = frozenset(one.name for one in dataclasses.fields(cls) if one.default is dataclasses.MISSING)
        cls._in_order = () if kw_only else tuple(cls.__dataclass_fields__)

    def __init__(self, *in_order: Any, **given: Any) -> None:
        if in_order:
            if len(in_order) > len(self._in_order) or not given.keys().isdisjoint(self._in_order[: len(in_order)]):
                raise TypeError(
                    f"{type(self).__name__}: {len(in_order)} values in order, of {len(self._in_order)}, or one twice"
                )
            given |= zip(self._in_order, in_order, strict=False)
        known = self.__dataclass_fields__.keys()
        if not self._required <= given.keys() <= known:
            missing, unknown = sorted(self._required - given.keys()), sorted(given.keys() - known)
            raise TypeError(f"{type(self).__name__}: missing {missing}, unknown {unknown}")
        put = object.__setattr__
        for name, value in given.items():  # what is not given is found in the class
            put(self, name, value)

    def __repr__(self) -> str:
        told = zip(self.__dataclass_fields__, _content(self), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in told)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _content(other) == _content(self)

    def __hash__(self) -> int:
        return hash(_content(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _content(value: Record) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in value.__dataclass_fields__)
