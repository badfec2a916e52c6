"""The subcommands of ``nova``: one process, one file; startup, loop and shutdown on one screen."""
