"""The `headstart` command, one file per subcommand."""
