"""Mathematics of the flow between noise and sound: pure functions of tensors."""
