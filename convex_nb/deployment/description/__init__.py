"""What a deployment says of itself, for programs: its functions, their types, its tables."""
