"""The PKCS#11 token: one thread-safe connection that comes back by itself, and its keys."""
