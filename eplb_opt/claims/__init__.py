"""Re-checking a report; needs numpy only."""
