"""Frozen records with named fields: dataclasses without the code that @dataclass generates and compiles for each class.

Six functions for each of the thirty message classes took longer than importing everything else of the app.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from typing import dataclass_transform
else:

    def dataclass_transform(**_):
        """Do nothing: it is for type checkers, and Python 3.10, in which a worker may run, lacks it."""
        return lambda kind: kind


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of records: a subclass is a dataclass as if by `@dataclass(frozen=True, kw_only=True)`. Defaults must be immutable.

    `class Point(Record, kw_only=False)` accepts positional arguments too.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
        _required: ClassVar[frozenset[str]]
        _positional: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        cls._required = frozenset(
            field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING
        )
        cls._positional = () if kw_only else tuple(cls.__dataclass_fields__)

    def __init__(self, *args: Any, **values: Any) -> None:
        if args:
            if len(args) > len(self._positional) or not values.keys().isdisjoint(self._positional[: len(args)]):
                raise TypeError(
                    f"{type(self).__name__}: {len(args)} positional values, of {len(self._positional)}, or one twice"
                )
            values |= zip(self._positional, args, strict=False)
        fields = self.__dataclass_fields__.keys()
        if not self._required <= values.keys() <= fields:
            missing, unknown = sorted(self._required - values.keys()), sorted(values.keys() - fields)
            raise TypeError(f"{type(self).__name__}: missing {missing}, unknown {unknown}")
        set_attribute = object.__setattr__
        for name, value in values.items():  # defaults are attributes of the class
            set_attribute(self, name, value)

    def __repr__(self) -> str:
        items = zip(self.__dataclass_fields__, _values(self), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in items)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _values(other) == _values(self)

    def __hash__(self) -> int:
        return hash(_values(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _values(record: Record) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in record.__dataclass_fields__)
