"""Key rotation: the queue and its workers, and whole lives of keys."""
