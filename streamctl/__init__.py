"""Administration of a streaming service's members, credits, streams and invoices."""

__version__ = "1.0.0"
