"""Recipe, losses, metrics, fitting and evaluation."""
