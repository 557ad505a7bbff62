"""Header families, one per file; `steps` puts them together."""
