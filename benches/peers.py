"""The same work by PyTorch, captum and tangermeme, medians of several runs, as lines `name wall-seconds processor-seconds note`.

usage: peers.py THREADS [NAME...]; needs torch, captum and tangermeme. Random weights; sizes are those of the presets that
benches/attribution.rs builds. Whole scans are measured on a slice and scaled, as the lines' third column says.
"""
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def sparsemax(z):
    s, _ = torch.sort(z, dim=-1, descending=True)
    k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    c = s.cumsum(-1)
    n = ((1 + k * s) > c).sum(-1, keepdim=True)
    return torch.clamp(z - (c.gather(-1, n - 1) - 1) / n.to(z.dtype), min=0)


class DeepCore(nn.Module):
    def __init__(self, filters=50, kernel=50, pool=50, hidden=15, attention=25, decoder=32, dense=100, length=10000):
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv1d(c, filters, kernel) for c in (4, 5)])
        self.lstm = nn.ModuleList([nn.LSTM(filters, hidden, batch_first=True, bidirectional=True) for _ in range(2)])
        n = length - kernel + 1
        extra = -(-n // pool) * pool - n
        self.pad, self.pool = (extra // 2, extra - extra // 2), nn.MaxPool1d(pool, pool)
        self.relu = nn.ReLU()
        self.hidden, self.score = nn.Linear(4 * hidden, attention), nn.Linear(attention, 1)
        self.head = nn.Sequential(nn.Linear(4 * hidden, decoder), nn.Linear(decoder, dense), nn.Linear(dense, 1))

    def forward(self, sequence, marks):
        states = []
        for x, conv, lstm in zip((sequence, marks), self.conv, self.lstm):
            y = self.pool(F.pad(self.relu(conv(x)), self.pad))
            states.append(lstm(y.transpose(1, 2))[0])
        h = torch.cat(states, 2)
        a = sparsemax(self.score(torch.tanh(self.hidden(h))).squeeze(-1))
        return self.head(torch.einsum('bt,bth->bh', a, h))


class ISegNet(nn.Module):
    def __init__(self, tracks=7, k1=32, k2=64, kernel=20):
        super().__init__()

        def branch(c):
            return nn.Sequential(
                nn.ConstantPad1d((10, 9), 0.), nn.Conv1d(c, k1, kernel, bias=False), nn.BatchNorm1d(k1), nn.ReLU(),
                nn.ConstantPad1d((5, 4), 0.), nn.Conv1d(k1, k2, kernel), nn.BatchNorm1d(k2), nn.ReLU(), nn.AvgPool1d(5, 5))
        self.marks, self.sequence = branch(tracks), branch(4)
        self.merge = nn.Sequential(nn.Conv2d(k2, 126, (2, 2)), nn.BatchNorm2d(126), nn.ReLU(), nn.Conv2d(126, 64, 1),
                                   nn.BatchNorm2d(64), nn.ReLU(), nn.AvgPool2d((5, 1), (5, 1)))
        sizes = [99 * 64, 256, 64, 16]
        dense = [m for a, b in zip(sizes, sizes[1:]) for m in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
        self.dense = nn.Sequential(*dense, nn.Linear(16, 1))

    def forward(self, sequence, marks):
        m = torch.stack([self.marks(marks), self.sequence(sequence)], 3)
        m = self.merge(F.pad(m, (0, 0, 1, 0)))
        return self.dense(m.permute(0, 2, 3, 1).flatten(1))


class DeepCage(nn.Module):
    def __init__(self, tfs=402, hidden=512):
        super().__init__()

        def block(c):
            layers = nn.ModuleList()
            for _ in range(5):
                layers.append(nn.Sequential(nn.BatchNorm1d(c), nn.ReLU(), nn.Conv1d(c, 32, 1, bias=False), nn.BatchNorm1d(32),
                                            nn.ReLU(), nn.Conv1d(32, 32, 3, padding=1, bias=False)))
                c += 32
            return layers, c
        self.convs, self.norms, self.blocks = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        c = 4
        for kernel in (15, 12, 12):
            self.convs.append(nn.Conv1d(c, 160, kernel))
            self.norms.append(nn.BatchNorm1d(160))
            layers, c = block(160)
            self.blocks.append(layers)
        length = (((1000 - 14) // 4 - 11) // 4 - 11) // 4
        self.dense, self.norm, self.out = nn.Linear(c * length + tfs, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 1)

    def forward(self, x, expression, scores):
        for conv, norm, block in zip(self.convs, self.norms, self.blocks):
            x = F.max_pool1d(norm(F.relu(conv(x))), 4)
            for layer in block:
                x = torch.cat([x, layer(x)], 1)
        x = torch.cat([x.flatten(1), expression * scores], 1)
        return self.out(F.relu(self.norm(self.dense(x))))


class AttentiveChrome(nn.Module):
    def __init__(self, marks=5, hidden=32):
        super().__init__()
        self.lstm = nn.ModuleList([nn.LSTM(1, hidden, batch_first=True, bidirectional=True) for _ in range(marks)])
        self.context = nn.ParameterList([nn.Parameter(torch.empty(2 * hidden, 1).uniform_(-.1, .1)) for _ in range(marks)])
        self.over = nn.LSTM(2 * hidden, hidden // 2, batch_first=True, bidirectional=True)
        self.over_context = nn.Parameter(torch.empty(hidden, 1).uniform_(-.1, .1))
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        means = []
        for j, (lstm, context) in enumerate(zip(self.lstm, self.context)):
            h = lstm(x[:, :, j:j + 1])[0]
            means.append((torch.softmax((h @ context).squeeze(2), 1).unsqueeze(1) @ h).squeeze(1))
        h = self.over(torch.stack(means, 1))[0]
        return self.out((torch.softmax((h @ self.over_context).squeeze(2), 1).unsqueeze(1) @ h).squeeze(1))


def dna(n, length):
    return F.one_hot(torch.randint(0, 4, (n, length)), 4).permute(0, 2, 1).float().contiguous()


def marks(n, k, length):
    return (torch.rand(n, k, -(-length // 25)) ** 4 * 8).repeat_interleave(25, 2)[:, :, :length].contiguous()


def build(name):
    if name == 'deepcore':
        return DeepCore(), (dna(1, 10000), marks(1, 5, 10000))
    if name == 'isegnet':
        return ISegNet(), (dna(1, 2500), marks(1, 7, 2500))
    if name == 'isegnet-paper':
        return ISegNet(k1=64, k2=128), (dna(1, 2500), marks(1, 7, 2500))
    if name == 'deepcage':
        return DeepCage(), (dna(1, 1000), torch.rand(1, 402), torch.rand(1, 402))
    return AttentiveChrome(), (torch.rand(1, 100, 5),)


class Times(tuple):
    """Wall and processor seconds; compared by the second, which hardly depends on what else the machine does."""

    def __lt__(self, other):
        return self[1] < other[1]

    def __mul__(self, factor):
        return Times(t * factor for t in self)


def median(work, runs=5):
    work()
    times = []
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - began, time.process_time() - used))
    return Times(statistics.median(t) for t in zip(*times))


def mutants(model, args, n, batch):
    """Scores n substitutions beginning in the middle, `batch` at a time: the plain scan."""
    x = args[0]
    reference = x[0].argmax(0)
    position = torch.arange(x.shape[2] // 2, x.shape[2] // 2 + n // 3).repeat_interleave(3)
    base = (reference[position] + torch.tensor([1, 2, 3]).repeat(n // 3)) % 4
    with torch.no_grad():
        for s in range(0, n, batch):
            p, a = position[s:s + batch], base[s:s + batch]
            edited, rows = x.repeat(len(p), 1, 1), torch.arange(len(p))
            edited[rows, :, p] = 0
            edited[rows, a, p] = 1
            model(edited, *[t.expand(len(p), *t.shape[1:]) for t in args[1:]])


def occlusions(model, args, edits, batch):
    """Scores inputs whose last tensor has some indices set to 0."""
    x = args[-1]
    with torch.no_grad():
        for s in range(0, len(edits), batch):
            some = edits[s:s + batch]
            edited = x.repeat(len(some), 1, 1)
            for row, edit in enumerate(some):
                edited[row][edit] = 0
            model(*[t.expand(len(some), *t.shape[1:]) for t in args[:-1]], edited)


def rows(name):
    torch.manual_seed(1)
    model, args = build(name)
    model.eval().requires_grad_(False)
    slice_of = dict(deepcore=90, isegnet=240, deepcage=240).get(name.split('-paper')[0], 0)

    def scan():
        from tangermeme.saturation_mutagenesis import saturation_mutagenesis
        length, n = args[0].shape[2], slice_of // 3
        best = min(median(lambda b=b: mutants(model, args, slice_of, b), 2) for b in (1, 4, 16))

        def peer(b):
            saturation_mutagenesis(model, args[0], args=tuple(args[1:]), start=length // 2, end=length // 2 + n, batch_size=b, device='cpu')
        try:
            best = min([best] + [median(lambda b=b: peer(b), 2) for b in (1, 4)])
        except Exception as error:
            print('tangermeme:', error, file=sys.stderr)
        return best * (length / n), f'{slice_of} of {3 * length} mutants, scaled; best of a plain loop and tangermeme'

    def ig(steps):
        from captum.attr import IntegratedGradients
        base = tuple(torch.zeros_like(a) for a in args)
        run = lambda b: IntegratedGradients(model).attribute(args, baselines=base, n_steps=steps, internal_batch_size=b)
        return min(median(lambda b=b: run(b), 2) for b in (1, 5)), 'captum, Gauss-Legendre'

    def forward(n):
        batch = tuple(a.repeat(n, *[1] * (a.dim() - 1)) for a in args)
        with torch.no_grad():
            return median(lambda: model(*batch), 7 if n == 1 else 3), ''

    def gradient(n):
        batch = tuple(a.repeat(n, *[1] * (a.dim() - 1)).requires_grad_() for a in args)
        return median(lambda: torch.autograd.grad(model(*batch).sum(), batch), 3), ''

    yield f'{name}-forward-1', lambda: forward(1)
    yield f'{name}-forward-64', lambda: forward(64)
    if name == 'attentive-chrome':
        edits = [(i // 5, i % 5) for i in range(500)]
        yield f'{name}-occlusion', lambda: (min(median(lambda b=b: occlusions(model, args, edits, b), 3) for b in (50, 250)), '')
        return
    yield f'{name}-mutagenesis', scan
    if name == 'deepcage':
        return
    for steps in (50, 200):
        yield f'{name}-ig-{steps}', lambda steps=steps: ig(steps)
    if name == 'deepcore':
        bins = [(slice(None) if m < 0 else m, slice(50 * b, 50 * b + 50)) for b in range(100, 110) for m in range(5)]
        yield f'{name}-occlusion', lambda: (median(lambda: occlusions(model, args, bins, 4), 2) * 20, '50 of 1,000, scaled')
        pairs = [(slice(None), sum(([*range(50 * b, 50 * b + 50)] for b in (100, c)), [])) for c in range(101, 151)]
        yield f'{name}-bin-pairs', lambda: (median(lambda: occlusions(model, args, pairs, 4), 2) * 398, '50 of 19,900, scaled')
        yield f'{name}-gradient-50', lambda: gradient(50)
    else:
        points = [(i % 7, 1000 + i // 7) for i in range(140)]
        yield f'{name}-track-points', lambda: (median(lambda: occlusions(model, args, points, 4), 2) * 125, '140 of 17,500, scaled')


if __name__ == '__main__':
    torch.set_num_threads(int(sys.argv[1]))
    wanted = sys.argv[2:]
    for network in ('deepcore', 'isegnet', 'isegnet-paper', 'deepcage', 'attentive-chrome'):
        for title, work in rows(network):
            if not wanted or title in wanted:
                (wall, processor), note = work()
                print(f'{title} {wall:.6f} {processor:.6f} {note}', flush=True)
