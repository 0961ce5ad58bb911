"""The code behind `conformance/run`. Nothing here knows what a scenario checks."""
