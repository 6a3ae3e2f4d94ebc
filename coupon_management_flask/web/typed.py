"""Fields for what people type, each brought to its form by the room `text/`."""

from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma

from ..text import codes, invisible, passwords, usernames
from .body import Text


class Typed(Text):
    """Text that is brought to one form before its length is looked at."""

    form: Callable[[str], str]

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        typed = type(self).form(value) if isinstance(value, str) else value
        return super()._deserialize(typed, attr, data, **kwargs)


class NewCode(Typed):
    """A code that is set, without what came along when it was pasted."""

    form = staticmethod(codes.trimmed)


class NewPassword(Typed):
    """A password that is set."""

    form = staticmethod(passwords.normalised)

    def __init__(self, shortest: int = 1, longest: int = 1000, **kwargs: Any) -> None:
        super().__init__(shortest, longest, load_only=True, **kwargs)


class AskedCode(Text):
    """A code to look for, as it was typed: whoever looks for it brings it to its forms.

    Its length is counted without what came along when it was pasted.
    """

    def __init__(self, longest: int, **kwargs: Any) -> None:
        def fits(typed: str) -> None:
            if not 1 <= len(codes.trimmed(typed)) <= longest:
                raise ma.ValidationError(f"Length must be between 1 and {longest}.")

        super().__init__(
            0,
            invisible.LONGEST,
            rules=[fits],
            metadata={"minLength": 1, "maxLength": longest},
            **kwargs,
        )


def is_plain_name(name: str) -> None:
    """Refuse a name that would reorder the text around it where others are shown it."""
    if not usernames.is_plain_name(name):
        raise ma.ValidationError("It must be one line that does not change the direction of text.")


class Name(Text):
    """The name of a person or a company, which others are shown beside text of their own."""

    def __init__(self, shortest: int = 1, longest: int = 1000, **kwargs: Any) -> None:
        super().__init__(
            shortest, longest, rules=[is_plain_name, *kwargs.pop("rules", [])], **kwargs
        )
