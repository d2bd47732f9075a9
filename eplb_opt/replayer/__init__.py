"""Recorded traffic played through policies: who plans when on what, and what the maps were worth afterwards."""
