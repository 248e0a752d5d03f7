"""How long cislens and igv-rs take from their start to the first signal on the screen, in turn, on the sample data.

    python3 benches/start_peer.py target/release/cislens IGV-RS [STARTS]

Each is driven in a pseudo-terminal of 200 by 60. igv-rs is given 12 bigWigs and the place that the session opens at, with the annotation
(as text: it reads what is packed by its name alone) and without it; cislens the session, the first time and after that, when it has kept
the genes. Times are medians and 95th percentiles in ms.
"""

import fcntl
import glob
import gzip
import os
import pty
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sample-data")
DEADLINE = 5.0
# A screen has more than what readies the terminal, a signal one of the higher blocks.
SCREEN = 200
BLOCKS = [block.encode() for block in "▅▆▇"]


def start(args, home):
    """ms from the start to the first screen and to the first signal."""
    began = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        os.execv(args[0], args)
    screen = None
    output = b""
    while time.perf_counter() - began < DEADLINE:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        output += os.read(terminal, 1 << 16)
        now = 1e3 * (time.perf_counter() - began)
        if screen is None and len(output) > SCREEN:
            screen = now
        if any(block in output for block in BLOCKS):
            break
    else:
        sys.exit(f"{args[0]}: no signal on the screen in {DEADLINE} s")
    os.write(terminal, b"q")
    ends = time.perf_counter() + 1
    try:
        while time.perf_counter() < ends and (not select.select([terminal], [], [], 0.1)[0] or os.read(terminal, 1 << 16)):
            pass
    except OSError:
        pass  # it has ended
    if os.waitpid(child, os.WNOHANG) == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(terminal)
    return screen, now


def at(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    cislens, peer = (os.path.abspath(path) for path in sys.argv[1:3])
    starts = int(sys.argv[3]) if len(sys.argv) == 4 else 30
    session = os.path.join(SAMPLE, "session.toml")
    with tempfile.TemporaryDirectory() as folder:
        for name in ["sim1.fa", "genes.gtf"]:
            with gzip.open(os.path.join(SAMPLE, name + ".gz")) as packed, open(os.path.join(folder, name), "wb") as text:
                shutil.copyfileobj(packed, text)
        shutil.copy(os.path.join(SAMPLE, "sim1.fa.gz.fai"), os.path.join(folder, "sim1.fa.fai"))
        signals = sorted(glob.glob(os.path.join(SAMPLE, "signals", "*.bw")))[:12]
        opened = [peer, os.path.join(folder, "sim1.fa"), "-r", "chr1:2962320-2982320"]
        opened += [arg for path in signals for arg in ("-s", path)]
        runs = {
            "igv-rs, signals alone": opened,
            "igv-rs, with the annotation": [*opened, "-g", os.path.join(folder, "genes.gtf")],
            "cislens, the first time": [cislens, "--cache", "memory", session],
            "cislens, after that": [cislens, session],
        }
        times = {name: [] for name in runs}
        for i in range(starts + 1):
            for name, args in runs.items():
                measured = start(args, folder)
                if i > 0:  # the first reads the disk and keeps the genes
                    times[name].append(measured)
    for name, measured in times.items():
        screens, shown = zip(*measured)
        print(f"{name:28} screen {at(screens, 0.5):5.1f} {at(screens, 0.95):5.1f}   signal {at(shown, 0.5):5.1f} {at(shown, 0.95):5.1f}")


main()
