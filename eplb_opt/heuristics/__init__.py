"""Placements without a proof."""
