"""Language modelling for plmtasks: perplexity, last words, open-ended generation, pretraining."""
