"""Listening tests: a page that raters open without a server, and what their answers say (spec rewards.md 2, "MOS")."""
