"""Generations of keys, from made to destroyed, and moving what is under them."""
