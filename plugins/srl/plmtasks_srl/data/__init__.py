"""Readers of sentences with labelled spans, one module a family of formats."""
