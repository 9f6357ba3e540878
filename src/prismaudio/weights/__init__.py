"""The published weights: what they consist of, getting them, keeping them as safetensors, loading them."""
