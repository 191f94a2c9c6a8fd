"""Sign the heads of the logs."""
