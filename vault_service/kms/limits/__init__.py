"""How much anybody may ask for, and how far the trail may stay unsealed."""
