"""Diagnosis -> words: the JSON document (a public contract) and the terminal."""
