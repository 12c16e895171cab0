"""Results: frozen dataclasses that go to JSON and back, and show themselves in a notebook."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from inpaintlab.errors import RunError
from inpaintlab.reports.answer import Answer


class Result:
    """Base of what commands and functions return, which are frozen dataclasses.

    `answer` is what a terminal and `print` show, and a notebook unless `_repr_html_` is another.
    """

    SCHEMA: ClassVar[int] = 1

    def answer(self) -> Answer:
        """Return what a command prints."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it, with the version of its schema."""
        values = TypeAdapter(type(self)).dump_python(self, mode="json", by_alias=True)
        return {"schema": self.SCHEMA, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was called on; raises `RunError` for values of another schema."""
        if values.get("schema") != cls.SCHEMA:
            raise RunError(
                f"this is no {cls.__name__} of schema {cls.SCHEMA}, it says {values.get('schema')!r}: "
                "make it again with this version of inpaintlab"
            )
        try:
            return TypeAdapter(cls).validate_python(dict(values))
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise RunError(f"this is no {cls.__name__}: {where}: {error.errors()[0]['msg']}") from None

    def __str__(self) -> str:
        return str(self.answer())

    def _repr_html_(self) -> str:
        return self.answer()._repr_html_()
