"""The commands of ``eplb-opt``: one module a command, with its options and what it prints."""
