"""The commands of the command line, a module per subject; ``cli.COMMANDS`` lists them, one line each.

A command is a function: its name is what is typed, its docstring the help, its arguments the options,
what it returns the exit code. It raises our own errors and prints through ``Console``; ``cli.execute`` turns
an error into one sentence and its exit code.

    runs: run, status
    spending, reusing: what ``run`` says and asks about money, and about what was bought before
    controls: resume, pause, cancel
    again, attach, check, lance, suppress: the command of that name
    files: export, erase, backup, restore
    services: worker, sandbox
    options, exits, waiting: what commands share: options, ends, and waiting for a run that was changed
"""
