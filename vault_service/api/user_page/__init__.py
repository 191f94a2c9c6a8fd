"""The user's own page, /me on the API's host: a face over the same use cases as the API's routes."""
