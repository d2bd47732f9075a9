"""Foresight: placements planned for the traffic that comes, over recorded windows instead of their sum."""
