"""`samplerd lint`: what must not stand in the program that serves, looked for in its StableHLO, for every platform."""
