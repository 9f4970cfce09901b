"""Features to logits: backbones, heads, the classifier, and its checkpoint."""
