"""The machinery behind `conformance/run`; nothing here knows what a scenario checks."""
