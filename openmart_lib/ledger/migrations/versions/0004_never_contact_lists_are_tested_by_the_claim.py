"""Each batch says which state of the never-contact lists it was compared with, so that a claim can tell."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade a ledger in place; where there are lists, what waits is compared with them once more."""
    op.execute("ALTER TABLE batch ADD COLUMN never_checked INTEGER NOT NULL DEFAULT 0")
    op.execute(
        "INSERT INTO meta (name, value) "
        "SELECT 'never-contact changes', '1' WHERE EXISTS (SELECT 1 FROM suppressed)"
    )
