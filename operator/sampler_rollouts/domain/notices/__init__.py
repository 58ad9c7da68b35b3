"""What people asked to be told of a rollout: what is news, what is owed to whom, and the forms in which it is sent."""
