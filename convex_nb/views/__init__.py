"""What a result looks like: tables, figures and trees that follow a live query, and their static forms."""
