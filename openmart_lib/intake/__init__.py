"""A file becomes tasks: read, map, clean, plan. Pure functions over polars frames.

No network, no database, no screen. ``files`` reads whatever an analyst uploads, ``columns`` guesses what
its columns mean, ``domains`` cleans them, ``tasks`` plans what would be sent. Nothing is imported here: the
process that reads one file needs a third of these modules, and starts for every spreadsheet.
"""
