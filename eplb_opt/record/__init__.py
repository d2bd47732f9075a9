"""Loads of a Hugging Face Transformers MoE model, counted while it runs: no engine, one process, any device."""

from .recording import Recording, record

__all__ = ["Recording", "record"]
