"""What a job is that is killed and run again."""


class Job:
    """A piece of work in one folder, small enough to be done a few hundred times."""

    variants = ("",)
    """The ways in which it is done."""
    grows = ()
    """How the paths end of files that grow in their place; a torn end is dropped when the work is gone on with."""

    def prepare(self, root):
        """Make what the job reads."""

    def begin(self, variant, root, out):
        """Make the folder that it works in."""
        out.mkdir()

    def run(self, variant, root, out):
        """Do the work, or go on with it."""
        raise NotImplementedError

    def goes_back(self, variant):
        """Whether it can be undone: when it is done, and wherever it was killed."""
        return False

    def back(self, variant, root, out):
        """Undo it."""


def quiet(*given, **more):
    """In place of what reports progress."""
