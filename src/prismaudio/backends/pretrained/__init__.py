"""The encoders the published model was trained with; their packages are an extra, imported when first used."""
