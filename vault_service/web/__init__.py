"""What the pages of the officers' console and of the user have in common: frame, safety, texts, look."""
