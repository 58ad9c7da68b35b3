"""The demo: a real cluster, a real model, one good release promoted, two bad ones rolled back, and a report of it."""
