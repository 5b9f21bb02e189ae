"""The ledger's tables. Every change of money or result is one row here before it is anything else.

``run`` 1-n ``batch`` 1-n ``task``; ``row_task`` ties tasks (and the people in them) to uploaded rows;
``remote_task`` holds what the server gave back, raw; ``counter`` is changed in the transaction that
changes what it counts; ``event`` is only ever appended to. Times are UTC seconds.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),  # "salt" (of key fingerprints), "environment"
    Column("value", Text, nullable=False),
)

# One environment and one key; what holds for all its runs is held here.
account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("key_fingerprint", Text, nullable=False),  # salted hash, never the key
    Column("key_last4", Text, nullable=False, server_default=text("''")),
    Column("hold", Text),  # states.Hold; NULL = free to submit
    Column("hold_detail", Text),  # the server's words or what was seen
    Column("held_at", Float),
    Column("hold_until", Float),  # ends by itself then; while a person is waited for: end of a 429's wait
    Column("needs_read", Boolean, nullable=False, server_default=text("0")),  # outage: a read must succeed
    Column("cautious", Boolean, nullable=False, server_default=text("0")),  # one POST at a time
    Column("unknown_streak", Integer, nullable=False, server_default=text("0")),  # UNKNOWNs since an ACCEPT
    Column("reserve", Float, nullable=False, server_default=text("0")),  # credits no run may touch
    UniqueConstraint("environment", "key_fingerprint"),
)

# What the balance was and when: a free read before, during and after runs. The whole team shares it.
balance = Table(
    "balance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("credits", Float),  # NULL: not metered
    Column("credits_spent", Float, nullable=False, server_default=text("0")),  # by its runs, as counted then
    Column("why", Text, nullable=False),  # what it was read for: a word of ``balances``
    Index("ix_balance_account_id_at", "account_id", "at"),
)

# What the analyst decided once and need not decide again, as JSON: a mapping by header, a choice by domain.
remembered = Table(
    "remembered",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)

upload = Table(
    "upload",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),  # as the analyst's file is called
    Column("sha256", Text, nullable=False),  # of the file's bytes
    Column("format", Text, nullable=False),  # JSON: encoding, delimiter, sheet, header row
    Column("columns", Text, nullable=False),  # JSON list of the uploaded columns, in order
    Column("row_count", Integer, nullable=False),
    Column("parquet", Text, nullable=False),  # file name under uploads/
    Column("created_at", Float, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),  # 10 random base32 characters
    Column("environment", Text, nullable=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("upload_id", Integer, ForeignKey("upload.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # api.wire.Kind
    Column("mapping", Text, nullable=False),  # JSON: field -> uploaded columns
    Column("options", Text, nullable=False),  # JSON of intake.tasks.RunOptions
    Column("content_key", Text, nullable=False),  # same content, same key
    Column("repeat_no", Integer, nullable=False, server_default=text("0")),  # 0, or asked for again
    Column("confirm_token", Text, nullable=False, unique=True),  # one visit to Confirm, one run
    Column("row_count", Integer, nullable=False),
    Column("task_count", Integer, nullable=False),
    Column("worst_credits", Float, nullable=False, server_default=text("0")),  # credits at most, at Confirm
    Column("created_at", Float, nullable=False),
    Column("planned_at", Float),  # NULL while planning: invisible to the worker
    Column("paused_at", Float),
    Column("pause_reason", Text),
    Column("cancelled_at", Float),
    Column("decisions", Text),  # JSON of intake.overrides: what was decided against the rules, row by row
    Column("estimate", Text),  # JSON of intake.estimate as it was shown at Confirm
    Column("spend_at_most", Float),  # credits; NULL: no limit but the worst case
    Column("credits_out", Float, nullable=False, server_default=text("0")),  # worst case of what is out
    Column("credits_spent", Float, nullable=False, server_default=text("0")),  # estimate of what came back
    Column("pilot_batches", Integer),  # the first n batches are tried alone; NULL: no pilot
    Column("pilot_decided_at", Float),  # a person sent the rest
    UniqueConstraint("environment", "content_key", "repeat_no"),
)

# One uploaded row of a run; `outcome` is the last word so far, the best of its row_task lines.
uploaded_row = Table(
    "uploaded_row",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # 1-based data row
    Column("file_line", Integer, nullable=False),
    Column("intake", Text, nullable=False),  # accepted, duplicate, rejected, skipped, reused
    Column("code", Text),
    Column("reason", Text),  # why it was rejected or skipped
    Column("domain", Text),
    Column("asked_title", Text),
    Column("duplicate_of", Integer),  # seq of the row whose task it shares
    Column("outcome", Text, nullable=False),  # states.Outcome
    Column("outcome_reason", Text),
    Column("flags", Integer, nullable=False, server_default=text("0")),  # verdicts.Flag: what was found
    sqlite_with_rowid=False,
)

batch = Table(
    "batch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("environment", Text, nullable=False),
    Column("batch_no", Integer, nullable=False),  # 1-based within the run
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),  # states.BatchState
    Column("resend_of", Integer, ForeignKey("batch.id")),
    Column("search_of", Integer, ForeignKey("batch.id")),  # the refused batch whose bad row is looked for
    Column("made_elsewhere", Boolean, nullable=False, server_default=text("0")),  # by another tool
    Column("task_count", Integer, nullable=False),
    Column("worst_credits", Float, nullable=False, server_default=text("0")),  # at most, of its open tasks
    Column("open_tasks", Integer, nullable=False),  # tasks without their last word
    Column("open_rows", Integer, nullable=False),  # uploaded rows without their last word (no duplicates)
    Column("never_checked", Integer, nullable=False, server_default=text("0")),  # see ``suppressing``
    Column("not_before", Float, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # times claimed
    Column("worker_id", Text),  # who sends, or sent, it
    Column("body_sha256", Text),
    Column("sent_at", Float),
    Column("answered_at", Float),
    Column("http_status", Integer),
    Column("detail", Text),  # the server's words, or what was seen
    Column("nothing_created", Boolean, nullable=False, server_default=text("0")),  # a late definite no
    Column("batch_id", Text),  # the server's
    Column("processing", Integer),  # the server's counters, as last seen
    Column("completed", Integer),
    Column("errored", Integer),
    Column("total", Integer),
    Column("ready_at", Float),  # batch_ready first seen
    Column("asked_at", Float),  # counters last asked for
    Column("changed_at", Float),  # counters or lists last changed: a batch's age when it stalls
    Column("next_poll_at", Float),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("read_error", Text),  # the last failed read, until one succeeds
    Column("collected_at", Float),
    Column("closed_by_person", Boolean, nullable=False, server_default=text("0")),
    UniqueConstraint("environment", "batch_id"),
    UniqueConstraint("run_id", "batch_no"),
    Index("ix_batch_state_not_before", "state", "not_before"),
    Index("ix_batch_run_id_state", "run_id", "state"),
)

task = Table(
    "task",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("task_no", Integer, primary_key=True, autoincrement=False),  # tracking_id = run id "-" task number
    Column("batch_pk", Integer, ForeignKey("batch.id"), nullable=False),
    Column("domain", Text, nullable=False),
    Column("request", Text, nullable=False),  # JSON without tracking_id
    Column("likeness", Integer),  # 64 bits of a hash of what is bought: equal, so the same purchase
    Column("task_id", Text),  # the server's
    Column("status", Text),  # the server's last word
    Column("final_at", Float),
    Index("ix_task_batch_pk", "batch_pk"),
    sqlite_with_rowid=False,
)

# Which uploaded row a task, or a person inside it, answers for.
row_task = Table(
    "row_task",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("task_no", Integer, primary_key=True, autoincrement=False),
    Column("person_no", Integer, primary_key=True, autoincrement=False),  # 0, or 1.. in a group
    Column("seq", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("flags", Integer, nullable=False, server_default=text("0")),
    Index("ix_row_task_run_id_seq", "run_id", "seq"),
    sqlite_with_rowid=False,
)

# What the server listed and gave back; `payload` is its JSON text, unchanged.
remote_task = Table(
    "remote_task",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("batch_pk", Integer, ForeignKey("batch.id"), nullable=False),
    Column("task_id", Text, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("task_no", Integer),  # NULL: not fetched yet, or a tracking id we did not send
    Column("tracking_id", Text),
    Column("status", Text),
    Column("payload", Text),
    Column("listed_at", Float, nullable=False),
    Column("fetched_at", Float),
    UniqueConstraint("batch_pk", "task_id"),
    Index("ix_remote_task_run_id_task_no", "run_id", "task_no"),
)

counter = Table(
    "counter",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("name", Text, primary_key=True),  # "outcome:matched", "found:email", ...
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Integer),
    Column("batch_pk", Integer),
    Column("account_id", Integer),
    Column("rows", Integer),  # uploaded rows that became final by it (negative: came back)
    Column("detail", Text),  # JSON; never a key, never personal data
    Index("ix_event_run_id_kind", "run_id", "kind"),
)

# A row that is not bought, because an earlier task of this environment bought the same.
reused_row = Table(
    "reused_row",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("source_run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("source_task_no", Integer, nullable=False),
    Column("source_person_no", Integer, nullable=False, server_default=text("0")),
    Index("ix_reused_row_source_run_id_source_task_no", "source_run_id", "source_task_no"),
    sqlite_with_rowid=False,
)

# Emails, domains and people that are never sent and never exported; only their keyed hashes are kept.
suppressed = Table(
    "suppressed",
    metadata,
    Column("kind", Text, primary_key=True),  # "email", "domain", "person"
    Column("hash", Text, primary_key=True),
    Column("list_name", Text, primary_key=True),  # on two lists, it stays when one of them is removed
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# A list whose enrichments at Lance are watched: a 1-n row, and one line per triple that is asked for.
watch_list = Table(
    "watch_list",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("environment", Text, nullable=False),  # Lance's: "sandbox", or its base URL
    Column("upload_id", Integer, ForeignKey("upload.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),  # "exists": one pass; "wait": until all is final
    Column("fields", Text, nullable=False),  # JSON list of api.wire.LanceField
    Column("mapping", Text, nullable=False),  # JSON: the column of the ids; the column or value of the type
    Column("confirm_token", Text, nullable=False, unique=True),  # one visit to the form, one list
    Column("row_count", Integer, nullable=False),
    Column("item_count", Integer, nullable=False),  # triples
    Column("intake_counts", Text, nullable=False),  # JSON: rows by intake; adds up to row_count
    Column("created_at", Float, nullable=False),
    Column("planned_at", Float),  # NULL while it is written or deleted: invisible to the worker
    Column("rounds", Integer, nullable=False, server_default=text("0")),  # passes that ended
    Column("begun_at", Float),  # asking began: when it was made, or last refreshed by hand
    Column("waits", Integer, nullable=False, server_default=text("0")),  # passes since then: the backoff
    Column("quiet_rounds", Integer, nullable=False, server_default=text("0")),  # passes without a change
    Column("next_ask_at", Float),  # NULL: ended, nothing is asked by itself
    Column("asked_at", Float),
    Column("changed_at", Float),  # a state last changed
    Column("ended_why", Text),  # watching.Ended
    Column(
        "held", Boolean, nullable=False, server_default=text("0")
    ),  # a person must act, `error` says on what
    Column("error", Text),  # the last failed read, until one succeeds
)

watch_row = Table(
    "watch_row",
    metadata,
    Column("list_id", Integer, ForeignKey("watch_list.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # 1-based data row
    Column("file_line", Integer, nullable=False),
    Column("intake", Text, nullable=False),  # accepted, duplicate, rejected
    Column("reason", Text),
    Column("entity_id", Text),
    Column("entity_type", Text),
    sqlite_with_rowid=False,
)

watch_item = Table(
    "watch_item",
    metadata,
    Column("list_id", Integer, ForeignKey("watch_list.id"), primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("entity_type", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("state", Text, nullable=False),  # api.lance_states; "not asked" at first
    Column("open", Boolean, nullable=False, server_default=text("1")),  # still to be asked
    Column("asked_round", Integer, nullable=False, server_default=text("0")),  # the pass that asked it last
    Column("status", Text),  # Lance's own word
    Column("data_found", Boolean),
    Column("error", Text),
    Column("created_at", Text),  # as Lance says it
    Column("updated_at", Text),
    Column("enrichment_id", Text),
    Column("credit_transaction_id", Text),
    Column("asked_at", Float),
    sqlite_with_rowid=False,
)

# How the states of a watch list went: the counts after each pass.
watch_count = Table(
    "watch_count",
    metadata,
    Column("list_id", Integer, ForeignKey("watch_list.id"), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)
