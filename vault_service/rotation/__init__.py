"""Key rotation: its engine, what is due, how far it is; the rules: domain/rotation.py, key_states.py."""
