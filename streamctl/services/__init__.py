"""What changes: one public verb is one transaction. Verbs take the clock as `at` (UTC) and return frozen records."""
