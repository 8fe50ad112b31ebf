"""What people administer: each thing's state, and the events that changed it."""
