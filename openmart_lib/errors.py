"""Every error this library raises, and what the caller does next.

OpenmartError
├── ConfigError               no key, bad base URL, unusable setting      fix the setting
├── InputError                a file, a row or an argument cannot be used fix the input
├── NoAnswerError             nothing came back, nothing was spent        run again
├── SubmissionUnknownError    sent, no clear answer, maybe charged        a person decides, never resend
├── ResponseError             the server said no (.status, .detail, .request_id)
│   ├── RefusedError          400, 413, 422: this body                    fix the input
│   ├── AuthError             401                                         check the key
│   ├── BannedError           403                                         contact Openmart
│   ├── CreditsError          402                                         add credits, then resume
│   ├── NotFoundError         404 on a read                               check the id and the key
│   ├── RateLimitedError      429 (.retry_after, seconds)                 wait, then resume
│   ├── WrongAddressError     3xx, 404/405/411/414/415/431 on a submit    check the base URL
│   ├── ServerError           5xx on a read                               try again later
│   └── InvalidAnswerError    an answer we cannot read                    try again later
├── RunExistsError            the same content was submitted before       name it, or ask for it again
├── RunNotFoundError          no such run                                 list the runs
└── LedgerError               the ledger cannot be used                   read its message
    ├── LedgerDamagedError    its file is damaged, empty or gone          restore a backup
    └── LedgerNewerError      written by a newer program                  update the program

Each message is one sentence on what happened and one on what to do next. Messages never hold
the API key, and never an e-mail address, phone number or person's name.
"""

from __future__ import annotations


class OpenmartError(Exception):
    """Base of every error that this library raises on purpose."""


class ConfigError(OpenmartError):
    """A setting is missing or unusable; nothing was sent."""


class InputError(OpenmartError, ValueError):
    """A file, a row or an argument cannot be used; nothing was sent.

    Attributes:
        row: 1-based data row the problem is in, if it is in one.
        column: Name of the column or request field, if the problem is in one.
    """

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class NoAnswerError(OpenmartError):
    """Nothing came back. For a submission: nothing of it was handed over, so nothing was spent."""


class SubmissionUnknownError(OpenmartError):
    """A submission was handed over and no clear answer came: it may have been charged.

    Attributes:
        seen: What was seen, in plain words ("the connection broke after 12 s").
        status: HTTP status of an unclear answer (a 5xx, a 3xx, a 2xx without id), if there was one.
        body: First 2,000 characters of that answer; may hold nothing useful.
    """

    def __init__(self, message: str, *, seen: str, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.seen = seen
        self.status = status
        self.body = body


class ResponseError(OpenmartError):
    """The server said no.

    Attributes:
        status: HTTP status code.
        detail: The server's own words, "" if it gave none.
        request_id: The server's request id from the headers, if it sent one.
    """

    def __init__(self, message: str, *, status: int, detail: str = "", request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.request_id = request_id


class RefusedError(ResponseError):
    """400, 413, 422: a definite no to this body; nothing was created."""


class AuthError(ResponseError):
    """401: the key is missing or unknown."""


class BannedError(ResponseError):
    """403: the user is banned; not a wrong key."""


class CreditsError(ResponseError):
    """402: the credit limit is reached."""


class NotFoundError(ResponseError):
    """404 on a read: unknown id, or an id of another team's key."""


class RateLimitedError(ResponseError):
    """429: too many requests.

    Attributes:
        retry_after: Seconds the server asked us to wait; None when it did not say (or not clearly).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        detail: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, detail=detail, request_id=request_id)
        self.retry_after = retry_after


class WrongAddressError(ResponseError):
    """The address does not behave like the API (404, 405, 411, 414, 415, 431 on a submit; 3xx on a read)."""


class ServerError(ResponseError):
    """5xx on a read; reads are free and may be repeated."""


class InvalidAnswerError(ResponseError):
    """A successful answer that cannot be read: not JSON, cut, too large, or of another shape."""


class RunExistsError(OpenmartError):
    """The same content was submitted before.

    Attributes:
        run_id: Public id of the earlier run.
        name: Its name.
    """

    def __init__(self, message: str, *, run_id: str, name: str) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.name = name


class RunNotFoundError(OpenmartError):
    """No run of that id in this environment."""


class LedgerError(OpenmartError):
    """The ledger cannot be opened or written."""


class LedgerDamagedError(LedgerError):
    """The ledger's file is damaged, or empty or gone where there was one; it is left as it is."""


class LedgerNewerError(LedgerError):
    """The ledger was written by a newer version of this program."""
