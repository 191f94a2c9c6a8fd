"""What is asked of the key service and what it answers: typed, versioned, strict."""
