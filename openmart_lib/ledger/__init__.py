"""The ledger: the only truth about what was sent, paid and found.

Read ``states`` (which move leads where), ``schema`` (the tables), ``ledger`` (transactions) and
``submissions`` (the money path); ``queries`` is what everybody else reads. A run's ``run_id`` is its
public id; ``run_pk`` or ``pk`` is its integer key, which the tables call ``run_id``.

    states, schema, creation, migrations: the states of batches, runs and rows; the tables
    ledger, opening, turns, place, soundness, rescue: the open file, its transactions, its disk, its damage
    runs, planning, batching, uploads, tracking, tariff: a Confirm becomes rows, batches and tasks
    submissions, claiming, bodies, moves: what can happen to a submission; a move is one change of one batch
    journal, replay, redividing, spans: the fsynced file beside the ledger, and what is learned back from it
    accounts, pausing, waits: what holds all runs of a key, what pauses one, waits after the clock was set
    limits, spending, pilots, covering, balances: what a run may cost, has cost, and which part goes first
    answers, owners, landing, verdicts, settling: an answer is stored and becomes the outcome of its rows
    decisions, copies, dividing, withdrawing, attaching: what people decide about batches, and what that makes
    searching, searches: a refused batch, sent in halves until the bad row stands alone; how far that is
    queries, overview, row_reads, money, reconciling, rates, hit_rates, interruptions: reads
    purchases, reused, following: what earlier runs bought, and rows that it serves
    remembered, suppressing, exports: decisions for the next file, never-contact lists, files that were taken
    watching, asking, watched: watch lists at Lance: what people do, what the worker writes, what is read
    backup, bundle, carrying: copies of a ledger, and the way back
    erasing, erased, traces, residue: personal data deleted for good
"""

from openmart_lib.ledger.ledger import Ledger, open_ledger
from openmart_lib.ledger.states import BatchState, Hold, Outcome, RunState

__all__ = ["BatchState", "Hold", "Ledger", "Outcome", "RunState", "open_ledger"]
