"""How many redundant experts, on how many ranks, at which batch: maps planned and judged side by side."""
