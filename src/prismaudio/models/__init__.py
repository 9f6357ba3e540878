"""The networks that make sound: transformer, conditioners and codecs, built from plain numbers."""
