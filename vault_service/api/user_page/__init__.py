"""The user's own page on the API's host, where the policy switches it on."""
