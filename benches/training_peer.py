"""The PyTorch side of benches/training.rs: the same networks and shapes, random weights, one thread.

Prints network<TAB>genes<TAB>median ms<TAB>least ms. Needs torch and numpy.
"""
import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
torch.manual_seed(1)
GENES = 64
RUNS = int(os.environ.get("RUNS", 7))
ONLY = os.environ.get("ONLY")


def sparsemax(z):
    ordered, _ = torch.sort(z, dim=-1, descending=True)
    k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    sums = ordered.cumsum(-1)
    support = ((1 + k * ordered) > sums).sum(-1, keepdim=True)
    tau = (sums.gather(-1, support - 1) - 1) / support.to(z.dtype)
    return torch.clamp(z - tau, min=0)


class DeepCore(nn.Module):
    """models.md section 1.1, the sizes of the code: attention 20, decoder 32, dense 32."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(c, 50, 50) for c in (4, 5)])
        self.lstms = nn.ModuleList([nn.LSTM(50, 15, batch_first=True, bidirectional=True) for _ in range(2)])
        self.hidden, self.score = nn.Linear(60, 20), nn.Linear(20, 1)
        self.head = nn.Sequential(nn.Linear(60, 32), nn.Linear(32, 32), nn.Linear(32, 1))

    def forward(self, sequence, marks):
        states = []
        for x, conv, lstm in zip((sequence, marks), self.convs, self.lstms):
            pooled = F.max_pool1d(F.pad(F.relu(conv(x)), (24, 25)), 50)
            states.append(lstm(pooled.transpose(1, 2))[0])
        states = torch.cat(states, 2)
        weights = sparsemax(self.score(torch.tanh(self.hidden(states))).squeeze(-1))
        return self.head(torch.einsum("bt,bth->bh", weights, states)).squeeze(-1)

    def inputs(self):
        return one_hot(10_000), counts(5, 10_000)


class AttentiveChrome(nn.Module):
    """models.md section 4.1; attention by matrix products, not the published loop over genes."""

    def __init__(self):
        super().__init__()
        self.lstms = nn.ModuleList([nn.LSTM(1, 32, batch_first=True, bidirectional=True) for _ in range(5)])
        self.contexts = nn.ParameterList([nn.Parameter(torch.randn(64, 1) * 0.1) for _ in range(5)])
        self.over_marks, self.context = nn.LSTM(64, 16, batch_first=True, bidirectional=True), nn.Parameter(torch.randn(32, 1) * 0.1)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        means = []
        for i, (lstm, context) in enumerate(zip(self.lstms, self.contexts)):
            states = lstm(x[:, :, i : i + 1])[0]
            weights = torch.softmax((states @ context).squeeze(-1), 1)
            means.append(torch.bmm(weights.unsqueeze(1), states))
        states = self.over_marks(torch.cat(means, 1))[0]
        weights = torch.softmax((states @ self.context).squeeze(-1), 1)
        return self.out(torch.bmm(weights.unsqueeze(1), states).squeeze(1)).squeeze(-1)

    def inputs(self):
        return (counts(5, 100).transpose(1, 2).contiguous(),)


class IsegNet(nn.Module):
    """models.md section 2.1, 64 kernels."""

    def __init__(self, k1=64):
        super().__init__()
        k2 = 2 * k1

        def branch(channels):
            return nn.Sequential(
                nn.ConstantPad1d((10, 9), 0.0), nn.Conv1d(channels, k1, 20, bias=False), nn.BatchNorm1d(k1, 1e-3, 0.01), nn.ReLU(),
                nn.Dropout(0.5), nn.ConstantPad1d((5, 4), 0.0), nn.Conv1d(k1, k2, 20), nn.BatchNorm1d(k2, 1e-3, 0.01), nn.ReLU(),
                nn.Dropout(0.5), nn.AvgPool1d(5, 5))

        self.sequence, self.marks = branch(4), branch(7)
        self.merged = nn.Sequential(
            nn.Conv2d(k2, 126, (2, 2)), nn.BatchNorm2d(126, 1e-3, 0.01), nn.ReLU(), nn.Dropout(0.5),
            nn.Conv2d(126, 64, 1), nn.BatchNorm2d(64, 1e-3, 0.01), nn.ReLU(), nn.Dropout(0.5), nn.AvgPool2d((5, 1)))
        self.head = nn.Sequential(
            nn.Linear(6336, 256), nn.BatchNorm1d(256, 1e-3, 0.01), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(256, 64), nn.BatchNorm1d(64, 1e-3, 0.01), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(64, 16), nn.BatchNorm1d(16, 1e-3, 0.01), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, sequence, marks):
        x = F.pad(torch.stack([self.marks(marks), self.sequence(sequence)], 3), (0, 0, 1, 0))
        return self.head(self.merged(x).permute(0, 2, 3, 1).flatten(1)).squeeze(-1)

    def inputs(self):
        return one_hot(2_500), counts(7, 2_500)


class DeepCage(nn.Module):
    """models.md section 3.1, the sizes of the code: 678 factors, 256 units."""

    def __init__(self, factors=678, units=256):
        super().__init__()

        def norm(channels, eps):
            return nn.BatchNorm1d(channels, eps, 0.01)

        def block():
            layers = []
            for i in range(5):
                channels = 160 + 32 * i
                layers.append(nn.Sequential(
                    norm(channels, 1.1e-5), nn.ReLU(), nn.Conv1d(channels, 32, 1, bias=False),
                    norm(32, 1.1e-5), nn.ReLU(), nn.Conv1d(32, 32, 3, padding=1, bias=False)))
            return nn.ModuleList(layers)

        self.convs = nn.ModuleList([nn.Conv1d(4, 160, 15), nn.Conv1d(320, 160, 12), nn.Conv1d(320, 160, 12)])
        self.norms = nn.ModuleList([norm(160, 1e-3) for _ in range(3)])
        self.blocks = nn.ModuleList([block() for _ in range(3)])
        self.head = nn.Sequential(
            nn.Linear(3520 + factors, units), norm(units, 1e-3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(units, 1))
        self.factors = factors

    def forward(self, x, expression, scores):
        for conv, normal, layers in zip(self.convs, self.norms, self.blocks):
            x = F.dropout(F.max_pool1d(normal(F.relu(conv(x))), 4), 0.2, self.training)
            for layer in layers:
                x = torch.cat([x, layer(x)], 1)
        x = torch.cat([x.transpose(1, 2).flatten(1), expression * scores], 1)
        return self.head(x).squeeze(-1)

    def inputs(self):
        return one_hot(1_000), torch.rand(GENES, self.factors), torch.rand(GENES, self.factors)


def one_hot(length):
    return F.one_hot(torch.randint(0, 4, (GENES, length)), 4).float().transpose(1, 2).contiguous()


def counts(channels, length):
    shape = (GENES, channels, length)
    return torch.where(torch.rand(shape) < 0.3, torch.randint(1, 9, shape).float(), torch.zeros(shape))


for name, make in [("deepcore", DeepCore), ("attentive-chrome", AttentiveChrome), ("isegnet", IsegNet), ("deepcage", DeepCage)]:
    if ONLY not in (None, name):
        continue
    model = make().train()
    inputs, target = model.inputs(), torch.ones(GENES)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    times = []
    for i in range(RUNS + 1):
        start = time.process_time()
        optimiser.zero_grad()
        F.mse_loss(model(*inputs), target).backward()
        optimiser.step()
        if i > 0:
            times.append((time.process_time() - start) * 1e3)
    times.sort()
    print(f"{name}\t{GENES}\t{times[len(times) // 2]:.1f}\t{times[0]:.1f}", flush=True)
