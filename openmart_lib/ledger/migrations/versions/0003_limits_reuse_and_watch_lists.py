"""Limits, pilots and reuse; what is never sent; lists watched at Lance; what was decided row by row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# ALTER TABLE, not a copy of the table: it takes no time however long the ledger is.
_NEW_COLUMNS = {
    "account": ("reserve FLOAT NOT NULL DEFAULT 0",),
    "balance": ("credits_spent FLOAT NOT NULL DEFAULT 0",),
    "batch": ("worst_credits FLOAT NOT NULL DEFAULT 0",),
    "task": ("likeness INTEGER",),
    "run": (
        "decisions TEXT",
        "estimate TEXT",
        "spend_at_most FLOAT",
        "credits_out FLOAT NOT NULL DEFAULT 0",
        "credits_spent FLOAT NOT NULL DEFAULT 0",
        "pilot_batches INTEGER",
        "pilot_decided_at FLOAT",
    ),
}


def upgrade() -> None:
    """Upgrade a ledger in place."""
    for table, columns in _NEW_COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    op.create_table(
        "reused_row",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("source_run_id", sa.Integer(), nullable=False),
        sa.Column("source_task_no", sa.Integer(), nullable=False),
        sa.Column("source_person_no", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_reused_row_run_id")),
        sa.ForeignKeyConstraint(["source_run_id"], ["run.id"], name=op.f("fk_reused_row_source_run_id")),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_reused_row")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_reused_row_source_run_id_source_task_no",
        "reused_row",
        ["source_run_id", "source_task_no"],
        unique=False,
    )
    op.create_table(
        "suppressed",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "hash", "list_name", name=op.f("pk_suppressed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "watch_list",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("confirm_token", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("intake_counts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("planned_at", sa.Float(), nullable=True),
        sa.Column("rounds", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("begun_at", sa.Float(), nullable=True),
        sa.Column("waits", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("quiet_rounds", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_ask_at", sa.Float(), nullable=True),
        sa.Column("asked_at", sa.Float(), nullable=True),
        sa.Column("changed_at", sa.Float(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"], name=op.f("fk_watch_list_upload_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_list")),
        sa.UniqueConstraint("public_id", name=op.f("uq_watch_list_public_id")),
        sa.UniqueConstraint("confirm_token", name=op.f("uq_watch_list_confirm_token")),
    )
    op.create_table(
        "watch_row",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("file_line", sa.Integer(), nullable=False),
        sa.Column("intake", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("entity_id", sa.Text(), nullable=True),
        sa.Column("entity_type", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["list_id"], ["watch_list.id"], name=op.f("fk_watch_row_list_id")),
        sa.PrimaryKeyConstraint("list_id", "seq", name=op.f("pk_watch_row")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "watch_item",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False, server_default=sa.text("1")),
        sa.Column("asked_round", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("data_found", sa.Boolean(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.Text(), nullable=True),
        sa.Column("enrichment_id", sa.Text(), nullable=True),
        sa.Column("credit_transaction_id", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["list_id"], ["watch_list.id"], name=op.f("fk_watch_item_list_id")),
        sa.PrimaryKeyConstraint("list_id", "entity_id", "entity_type", "field", name=op.f("pk_watch_item")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "watch_count",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["watch_list.id"], name=op.f("fk_watch_count_list_id")),
        sa.PrimaryKeyConstraint("list_id", "at", "field", "state", name=op.f("pk_watch_count")),
        sqlite_with_rowid=False,
    )
