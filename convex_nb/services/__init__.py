"""What runs beside functions and by the clock: contexts receive it as services, the deployment drives it."""
