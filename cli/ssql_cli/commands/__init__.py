"""One sub-command a module: `run(args)` carries it out and returns its exit code."""
