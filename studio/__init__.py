"""The page on which people look at results, correct them and decide: a server on this machine alone."""
