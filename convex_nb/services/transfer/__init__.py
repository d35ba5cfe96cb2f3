"""Data in and out: files and frames into tables, tables into files, whole deployments into ZIP files and back."""
