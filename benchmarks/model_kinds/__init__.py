"""Kinds of model x methods: every explainer on small nets of every kind, against truths written from definitions."""
