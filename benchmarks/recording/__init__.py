"""How `eplb_opt/recordings` was made: a small Mixture-of-Experts model trained on free text, and its routes."""
