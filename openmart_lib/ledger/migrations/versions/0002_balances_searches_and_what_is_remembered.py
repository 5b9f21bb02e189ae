"""Balances, the search for a refused row, batches of other tools, and what is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade a ledger in place."""
    op.create_table(
        "balance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("credits", sa.Float(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_balance_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance")),
    )
    op.create_index("ix_balance_account_id_at", "balance", ["account_id", "at"], unique=False)
    op.create_table(
        "remembered",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "key", name=op.f("pk_remembered")),
        sqlite_with_rowid=False,
    )
    # ALTER TABLE, not a copy of the table: it takes no time however long the ledger is.
    op.execute("ALTER TABLE batch ADD COLUMN search_of INTEGER REFERENCES batch (id)")
    op.execute("ALTER TABLE batch ADD COLUMN made_elsewhere BOOLEAN NOT NULL DEFAULT 0")
