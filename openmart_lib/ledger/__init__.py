"""The ledger: the only truth about what was sent, paid and found."""

from openmart_lib.ledger.ledger import Ledger, open_ledger
from openmart_lib.ledger.states import BatchState, Hold, Outcome, RunState

__all__ = ["BatchState", "Hold", "Ledger", "Outcome", "RunState", "open_ledger"]
