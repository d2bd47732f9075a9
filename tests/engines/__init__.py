"""Tests inside the real engines: `make test-engines`, never part of `make test`."""
