"""The notebook's front door: the IPython extension, its magics, and live views in cells."""
