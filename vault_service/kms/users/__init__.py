"""What apps ask on a user's behalf: enrol, unlock, change, erase."""
