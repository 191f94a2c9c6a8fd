"""Bring people in from a file: read lines, remember how far each came, sign up, store."""
