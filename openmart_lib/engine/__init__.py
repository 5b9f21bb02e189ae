"""The engine: moves runs forward. It knows the API and the ledger, nothing of files or pages."""

from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.engine.supervisor import Supervisor
from openmart_lib.engine.worker import Worker, WorkerStatus, worker_status

__all__ = ["Supervisor", "Worker", "WorkerStatus", "key_fingerprint", "key_last4", "worker_status"]
