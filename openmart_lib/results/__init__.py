"""Results: what the ledger holds, as frames and as files.

Read ``join`` (the frames that pages show and files hold), then what it is made from.

    join, assembly, columns: uploaded rows, outcomes and records become one frame
    records, flatten, row_records, borrowed: answers as flat records; those of a reused row lie in another run
    derived, titles, phones, quality: what follows from a record, and which record is the best of a row
    contacts, companies, together: several contacts in a line, a line per company, several runs as one
    summary, pictures: a run in numbers, and small frames for charts
    explore, facets: filters, search, sorting and pages over a million rows
    export, workbook, crm, files: files, whole or not at all
    withheld, taking, since: what is left out of them, that they were taken, what is new since
    unmatched_file, lance_files: two other kinds of files
    receipt, receipt_page: what was asked, what became of it, what it may have cost
    again, chain, chain_file: rows tried again, and the best that a chain of runs found
    cache, dense, readying: derived files kept under a stamp, joins on small numbers; large runs made ready
"""

from openmart_lib.results import export, join, records, summary

__all__ = ["export", "join", "records", "summary"]
