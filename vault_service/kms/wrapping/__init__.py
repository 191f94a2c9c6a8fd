"""The wraps of data keys and logins: what each is bound to, how it is sealed and opened."""
