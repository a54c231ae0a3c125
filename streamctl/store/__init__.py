"""The database: its models, its opening, its transactions and its migrations. Only store knows which engine it is."""
