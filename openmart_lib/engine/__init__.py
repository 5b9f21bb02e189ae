"""The engine: moves runs forward. It knows the API and the ledger, nothing of files or pages.

Nothing is remembered outside the ledger. Read ``dispatcher``: one loop that asks the ledger what is due,
claims it and hands it to threads, where ``submit``, ``poll`` and ``collect`` each do one thing.

    supervisor: keeps the worker's process alive for as long as its parent lives
    worker: the one process per data folder that spends credits
    dispatcher: the loop
    submit: send one claimed batch once, and write down what became of it
    poll: when to ask a batch for its counters, and when it has stood still for too long
    collect: list a batch's tasks, read the ones not stored yet
    right_of_way: what is paid for goes first, reads wait a blink
    reading, recording: every free read goes through the one, every write of what was read through the other
    clients: for this environment, the real API or the sandbox
    pacing, clocks: all waits in one place; a clock that was set told from time that passed
    balances: looks at the account's credits, to compare before and after
    watch_rounds: watch lists at Lance, asked round after round
    ask, attach, precheck: free reads that a person waits for: a balance, a foreign batch, what Lance holds
"""

from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.engine.supervisor import Supervisor
from openmart_lib.engine.worker import Worker, WorkerStatus, worker_status

__all__ = ["Supervisor", "Worker", "WorkerStatus", "key_fingerprint", "key_last4", "worker_status"]
