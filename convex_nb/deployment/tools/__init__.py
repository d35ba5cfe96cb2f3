"""What a language model is given to work with a deployment."""
