"""POET beside other drift detectors: what a call costs, what an import costs, how often each is right."""
