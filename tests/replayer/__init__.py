"""Tests of playing traces."""
