"""Run by test_07_workers.py: two processes that train together, of which one dies, or answers nobody.

    python workers.py FOLDER CASE PATIENCE_S GIVEN_UP_S [deaf]

CASE is `unequal` (five rows for two, and the gradient of all), `dying` (the second is killed in step 3) or `stalled`
(the second does nothing from step 3 on). PATIENCE_S is how long one waits for the other; GIVEN_UP_S, how long the
first is waited for here. `deaf` takes away the words for another that is gone. Prints how each ended: `well`, `told`
(an error of Graticule), `otherwise`, `killed` or `hung`.
"""

import os
import signal
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from socket import create_server

import torch
import torch._dynamo  # which the optimizer imports at its first step: here once, not once in every process
from torch import nn

from faults.small import Toy, toy_run
from graticule.errors import GraticuleError
from graticule.training import distributed

WELL, TOLD, OTHERWISE = 0, 1, 2


class Failing(Toy):
    """The toy, whose second process does something else in step 3."""

    def __init__(self, otherwise):
        super().__init__()
        self.otherwise = otherwise

    def loss(self, step):
        if step == 3 and distributed.rank() == 1:
            self.otherwise()
        return super().loss(step)


def unequal(folder):
    factor, rows = nn.Parameter(torch.tensor(3.0)), torch.arange(1.0, 6.0)[:, None]
    vectors = distributed.spread(lambda mine: factor * mine, rows)
    assert torch.equal(vectors, 3 * rows)
    vectors.square().sum().backward()
    distributed.average_gradients([factor])
    assert factor.grad.item() == 2 * 3 * 55


def dying(folder):
    toy_run(folder, task=Failing(lambda: os.kill(os.getpid(), signal.SIGKILL)))


def stalled(folder):
    toy_run(folder, task=Failing(signal.pause))


def one(number, port, case, folder, patience_s):
    """How a process of the group ends."""
    torch.set_num_threads(1)
    group = {
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in group.items()})
    try:
        distributed.join_processes(timeout_s=patience_s)
        globals()[case](folder)
    except GraticuleError:
        return TOLD
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        return OTHERWISE
    return WELL


def ended(status):
    if os.WIFSIGNALED(status):
        return "killed"
    return ("well", "told", "otherwise")[os.WEXITSTATUS(status)]


def main(folder, case, patience_s, given_up_s):
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            os._exit(one(number, port, case, folder, patience_s))
        children.append(child)
    end, found = time.monotonic() + given_up_s, {}
    # The second is waited for until the first has ended: of a stalled one nothing more is to be expected.
    while children[0] not in found and time.monotonic() < end:
        for child in set(children) - set(found):
            gone, status = os.waitpid(child, os.WNOHANG)
            if gone:
                found[child] = ended(status)
        time.sleep(0.02)
    for child in set(children) - set(found):
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            found[child] = ended(status)
    for child in children:
        if child not in found and case != "unequal":
            os.kill(child, signal.SIGKILL)
        if child not in found:
            status = os.waitpid(child, 0)[1]
            found[child] = "hung" if case != "unequal" else ended(status)
    print(*(found[child] for child in children))


if __name__ == "__main__":
    if sys.argv[5:] == ["deaf"]:
        distributed._reaching_others = nullcontext
    with suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
