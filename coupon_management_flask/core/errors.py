"""What the domain refuses.

    DomainError
    ├── Invalid                 the input has the wrong shape
    ├── NotAuthenticated        nobody we know is asking
    │   ├── InvalidToken        a token that is malformed, expired, revoked or of another kind
    │   │   └── InvalidApiKey   the same of an API key
    │   └── WrongCredentials    a name and password that do not belong together
    ├── Forbidden               we know who asks, and it may not
    │   └── AccountDisabled
    ├── NotFound                what was asked for does not exist, or not for this caller
    ├── Conflict                it collides with what is there already
    │   └── RequestInProgress   the same Idempotency-Key is being worked on
    ├── KeyReused               an Idempotency-Key that belongs to another request
    ├── RateLimited             too many tries; carries when to come back
    ├── Unavailable             something the service needs is away
    └── Refused                 a business rule says no
        ├── Exhausted           nothing left of a limited thing
        │   └── LimitReached    of what one customer, one day or one budget may have
        ├── AlreadyClaimed      this claim was made before
        ├── InsufficientCredit
        └── FieldRefused        what one field of the input names is refused

A class carries a stable `name` and an instance carries facts. Neither knows a status or a
sentence: each contract's errors.py gives them both. Features add their own leaves below these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

FieldMessages = Mapping[str, Sequence[str]]


class DomainError(Exception):
    name: ClassVar[str] = "error"
    # Which sentence tells it, where that of its name would not be true of it.
    wording: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.name)
        self.facts = facts


class Invalid(DomainError):
    """`fields` maps each wrong field to what is wrong with it, in words."""

    name = "validation_error"

    def __init__(self, fields: FieldMessages) -> None:
        super().__init__(fields=fields)
        self.fields = fields


class NotAuthenticated(DomainError):
    name = "authentication_required"


class InvalidToken(NotAuthenticated):
    name = "invalid_token"


class InvalidApiKey(InvalidToken):
    wording = "invalid_api_key"


class WrongCredentials(NotAuthenticated):
    name = "wrong_credentials"


class Forbidden(DomainError):
    name = "permission_denied"


class AccountDisabled(Forbidden):
    name = "account_disabled"


class NotFound(DomainError):
    name = "not_found"


class Conflict(DomainError):
    name = "conflict"


class RequestInProgress(Conflict):
    name = "idempotency_key_in_use"

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after=retry_after)


class KeyReused(DomainError):
    name = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Quota:
    """So many calls in so many seconds; None where no clock ends the window.

    The name is the rule's, and tells nothing of whom it is applied to.
    """

    name: str
    calls: int
    seconds: int | None = None


class RateLimited(DomainError):
    """`retry_after` is in whole seconds, at least 1. `quota` is what was used up."""

    name = "rate_limited"

    def __init__(self, retry_after: int, quota: Quota) -> None:
        super().__init__(retry_after=max(1, retry_after))
        self.quota = quota


class Unavailable(DomainError):
    name = "service_unavailable"

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(retry_after=retry_after)


class Refused(DomainError):
    name = "refused"


class Exhausted(Refused):
    name = "exhausted"


class LimitReached(Exhausted):
    name = "limit_reached"


class AlreadyClaimed(Refused):
    name = "already_claimed"


class InsufficientCredit(Refused):
    name = "insufficient_credit"


class FieldRefused(Refused):
    """What one field of the input names can't be had.

    `refusal` says why. A client is told of it beside that field.
    """

    name = "field_refused"

    def __init__(self, field: str, refusal: DomainError) -> None:
        super().__init__(field=field, refusal=refusal)
        self.field = field
        self.refusal = refusal
