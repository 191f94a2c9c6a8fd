"""The officers' web console: a face over recovery/; no rule of a recovery lives here."""
