"""What a call to Partner Center can end in, one class for each reaction of a caller."""

from __future__ import annotations

from typing import TypedDict, Unpack


class Facts(TypedDict, total=False):
    """What is known of the answer that said no."""

    status: int | None
    code: int | None
    description: str
    request_id: str
    correlation_id: str


class PartnerCenterError(Exception):
    """A call did not give what was asked for; the children say what to do about it."""

    def __init__(self, message: str = "", **facts: Unpack[Facts]) -> None:
        super().__init__(message)
        self.status = facts.get("status")
        """HTTP status; None when no answer arrived."""
        self.code = facts.get("code")
        """Microsoft's own number of the error, of the API or of the sign-in; None when it gave none."""
        self.description = facts.get("description", "") or message
        self.request_id = facts.get("request_id", "")
        """MS-RequestId, for Microsoft's support."""
        self.correlation_id = facts.get("correlation_id", "")
        """MS-CorrelationId, for Microsoft's support."""
        self.is_shared = False
        """Whether another thread made the call, and this one only waited for its outcome."""


class UnavailableError(PartnerCenterError):
    """Microsoft could not be reached, failed, or answered what cannot be read: try again later."""

    def __init__(
        self,
        message: str = "",
        *,
        may_have_been_done: bool = True,
        retry_after: float | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(message, **facts)
        self.may_have_been_done = may_have_been_done
        """False only when the request surely did not reach Microsoft; otherwise look before repeating it."""
        self.retry_after = retry_after
        """Seconds that the answer asked to wait, if it did."""


class ThrottledError(PartnerCenterError):
    """Too many calls (429): the request was not carried out, repeat it after `retry_after` seconds."""

    def __init__(self, message: str = "", *, retry_after: float = 60.0, **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class BusyError(PartnerCenterError):
    """Something else is going on with the resource: repeat the request after `retry_after` seconds."""

    def __init__(self, message: str = "", *, retry_after: float = 300.0, **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class SignInError(PartnerCenterError):
    """Microsoft does not accept the credentials; `description` says what an administrator has to do."""


class RefusedError(PartnerCenterError):
    """Microsoft says no, and will say so again (any other 4xx)."""

    @property
    def is_not_found(self) -> bool:
        return self.status == 404
