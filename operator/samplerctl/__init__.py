"""samplerctl: what the evidence can show, and what it showed, at the command line."""
