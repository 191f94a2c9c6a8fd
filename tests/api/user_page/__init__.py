"""The user's page: by the test client on a real vault, and a little in a real browser."""
