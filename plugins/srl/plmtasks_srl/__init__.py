"""Semantic role labelling, predicate finding and named-entity tagging for plmtasks."""
