"""What can go wrong with a lab, as one line for the user."""


class UnknownScenario(Exception):
    """No such scenario, parameter, value, node, lab or directory: the user asked for something that is not there."""


class Unavailable(Exception):
    """This machine cannot build the lab: not root, a tool or a version is missing."""


class Unsuited(Unavailable):
    """A tool is there, but in a version that cannot show this scenario."""


class BuildFailed(Exception):
    """The lab was begun and could not be finished; nothing of it is left."""


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop; nothing of the lab is left. `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
