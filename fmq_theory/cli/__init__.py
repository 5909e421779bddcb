"""Commands, one a file: the only room that parses arguments, prints, and sets exit codes."""
