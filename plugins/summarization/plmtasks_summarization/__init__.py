"""Summarization for plmtasks: news, dialogues and your own texts, by ROUGE in any language."""
