"""The gallery and its indexes: which known pictures look like this one."""
