"""Quality benchmarks: cases, runs and tables; see README.md."""
