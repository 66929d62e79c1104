"""Readers of question-answering data, one module a shape."""
