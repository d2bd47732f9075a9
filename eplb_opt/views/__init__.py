"""A result as data frame, as a table in notebooks, and as figures for papers."""
