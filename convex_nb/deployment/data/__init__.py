"""The data of a deployment: tables, SQL, the past, import, export, backups."""
