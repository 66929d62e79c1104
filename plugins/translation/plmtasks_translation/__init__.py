"""Machine translation for plmtasks: BLEU, chrF and TER in any language pair."""
