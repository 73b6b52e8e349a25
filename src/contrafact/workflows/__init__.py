"""Use cases: what a person does with contrafact, one module each.

A workflow joins the packages below it and leaves a whole result in the
workspace. It prints nothing; how far it is, it tells a `Progress`.
"""
