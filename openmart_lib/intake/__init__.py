"""A file becomes tasks: read, map, clean, plan. Pure functions over polars frames.

No network, no database, no screen. Nothing is imported here: the process that reads one file needs a third
of these modules, and starts for every spreadsheet. Read ``files``, ``columns``, ``domains``, ``tasks``.

    files, limits, wrapping, guarded, parsing: any file becomes an upload, if need be in its own process
    decoding, legacy: bytes to text
    delimited, dialects, layout, lines, fast, careful, mixed: text to a table, fast where every row is proved
    workbooks, sheets, hidden_rows, parquet, frames: other things that hold a table
    tables, headers, leftovers, numbers, guard, first_rows: what all tables share, and a preview
    columns, fields, evidence, contents, synonyms, wordlists, folding: which column means what
    mappings, foreign, entities, never: columns remembered; lists for other purposes than a run
    domains, plain, hosts, judge, idn, suffixes, noteworthy, rules, reasons: a cell to a domain, or why not
    several, moved_links, linkedin, agreement: cells with several websites, links that stand elsewhere
    names, name_parts, countries, values: the other fields of a task
    tasks, reading, options, bodies, likeness: rows become tasks; equal ones are one task
    overrides, anyway, domain_choices, narrowing: what an analyst decides against the rules, or leaves out
    reckoning, estimate, checked: what became of every row, what it may cost, all of it as a frame
    rejects, rejoin: rows that cannot be sent, as a file, and that file corrected
"""
