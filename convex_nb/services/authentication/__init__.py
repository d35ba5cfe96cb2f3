"""Who the bearer of a token is: providers, their keys, and what tokens say."""
