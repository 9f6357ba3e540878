"""Who writes the plan: planners that turn what is seen into the four thoughts."""
