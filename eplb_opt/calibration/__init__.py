"""Measuring what experts cost on this machine's GPU: seconds of a replica with n tokens, and of a rank."""
