"""The shared language of contrafact: entities, units, results, errors.

Standard library only; everything else may import it, it imports nothing.
"""
