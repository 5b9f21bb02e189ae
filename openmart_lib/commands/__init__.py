"""The commands of the command line, a module per subject; ``cli.COMMANDS`` lists them, one line each.

A command is a function: its name is what is typed, its docstring the help, its arguments the options
(``options`` holds the shared ones), what it returns the exit code (``exits``). It raises our own errors and
prints through ``Console``; ``cli.execute`` turns an error into one sentence and its exit code.
"""
