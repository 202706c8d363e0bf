"""Muon for the matrices, AdamW for the rest. Muon moves each matrix along the orthogonalised momentum: fewer steps than AdamW for small models."""
import collections

import torch


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration towards U V^T, batched over the first dimension."""
    wide = g.shape[-2] <= g.shape[-1]
    x = g if wide else g.transpose(1, 2)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        a = torch.bmm(x, x.transpose(1, 2))
        b = torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, b, x, beta=3.4445)
    return x if wide else x.transpose(1, 2)


class Muon:
    def __init__(self, parameters, lr, momentum=0.95, decay=0.01):
        self.lr, self.momentum, self.decay, self.scale = lr, momentum, decay, 1.0
        groups = collections.defaultdict(list)
        for p in parameters:
            groups[tuple(p.shape[-2:])].append(p)
        self.groups = list(groups.values())
        self.buffers = [[torch.zeros_like(p) for p in g] for g in self.groups]

    def jobs(self):
        """One callable per shape, so that threads can share the work; largest first."""
        order = sorted(range(len(self.groups)), key=lambda i: -sum(p.numel() for p in self.groups[i]))
        return [lambda i=i: self._update(self.groups[i], self.buffers[i]) for i in order]

    @torch.no_grad()
    def _update(self, parameters, buffers):
        nesterov = []
        for p, m in zip(parameters, buffers):
            m.lerp_(p.grad, 1 - self.momentum)
            nesterov.append(p.grad.lerp(m, self.momentum).view(-1, *p.shape[-2:]))
        update = orthogonalise(torch.cat(nesterov))
        rows, cols = update.shape[-2:]
        lr = self.lr * self.scale
        for p, u in zip(parameters, update.split([len(n) for n in nesterov])):
            p.mul_(1 - lr * self.decay).add_(u.reshape(p.shape), alpha=-lr * max(1.0, rows / cols) ** 0.5)

    def state_dict(self):
        return self.buffers

    def load_state_dict(self, buffers):
        for mine, theirs in zip(self.buffers, buffers):
            for a, b in zip(mine, theirs):
                a.copy_(b)


class Adam:
    """AdamW on tensors flattened into one, so that a step is a handful of kernels."""

    def __init__(self, parameters, lr, betas=(0.9, 0.95), decay=0.0):
        self.parameters, self.lr, self.betas, self.decay, self.scale, self.count = list(parameters), lr, betas, decay, 1.0, 0
        size = sum(p.numel() for p in self.parameters)
        self.m, self.v = torch.zeros(size), torch.zeros(size)

    def jobs(self):
        return [self._update]

    @torch.no_grad()
    def _update(self):
        self.count += 1
        g = torch.cat([p.grad.flatten() for p in self.parameters])
        self.m.lerp_(g, 1 - self.betas[0])
        self.v.mul_(self.betas[1]).addcmul_(g, g, value=1 - self.betas[1])
        fix1, fix2 = 1 - self.betas[0] ** self.count, 1 - self.betas[1] ** self.count
        update = (self.m / fix1) / ((self.v / fix2).sqrt() + 1e-8)
        lr = self.lr * self.scale
        for p, u in zip(self.parameters, update.split([p.numel() for p in self.parameters])):
            p.mul_(1 - lr * self.decay).add_(u.view_as(p), alpha=-lr)

    def state_dict(self):
        return dict(m=self.m, v=self.v, count=self.count)

    def load_state_dict(self, state):
        self.m.copy_(state["m"]), self.v.copy_(state["v"])
        self.count = state["count"]
