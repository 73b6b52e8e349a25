"""contrafact: which recordings shaped a piece of generated music, and how much."""

__version__ = "0.1.0"
