"""The command line, `convex-nb`: a front door for terminals, scripts and continuous integration."""
