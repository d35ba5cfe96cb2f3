"""How a deployment does, for those who look after it: events, insights, and where they are sent."""
