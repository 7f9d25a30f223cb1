"""Mutation tests: each mutation breaks one promise of the code, and named tests must fail because of it.

The catalogue is written by hand instead of by a generator of mutants (mutmut, cosmic-ray). Generated mutants run into
the thousands for these modules, many of them are equivalent, none names its cost to a user, and each has to run against
every test that covers its line. A hand-written one is a sentence of the contract, its tests are named, and all of them
run in minutes. See docs/testing.md.
"""
