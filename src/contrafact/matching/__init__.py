"""What is already in a piece of audio: recordings, works, and who made it.

What is found here is likeness, each kind with the rate at which it is wrong. It
is never influence: `attribution` looks into a model, this package does not.
"""
