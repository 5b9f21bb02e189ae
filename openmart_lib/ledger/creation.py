"""A new ledger: all tables of the newest version at once. An older ledger comes there by its migrations."""

from __future__ import annotations

import functools

from sqlalchemy import Engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from openmart_lib.ledger.schema import metadata

_VERSION_TABLE = (
    "CREATE TABLE alembic_version "
    "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def create(engine: Engine, version: str) -> None:
    """Make the tables in an empty file and note their version, in one transaction.

    The migrations make the same (a test compares them), but take ten times as long and load alembic.
    """
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        for statement in _statements():
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (version,))


@functools.cache
def _statements() -> tuple[str, ...]:
    dialect = sqlite.dialect()
    tables = metadata.sorted_tables
    indexes = [index for table in tables for index in sorted(table.indexes, key=lambda each: str(each.name))]
    made: list[CreateTable | CreateIndex] = [
        *(CreateTable(table) for table in tables),
        *(CreateIndex(index) for index in indexes),
    ]
    return (_VERSION_TABLE, *(str(each.compile(dialect=dialect)) for each in made))
