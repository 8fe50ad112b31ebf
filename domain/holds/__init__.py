"""A request's money: set aside before the vendor is called, ended exactly once."""
