"""The problem: instances, pools, packings and placements."""
