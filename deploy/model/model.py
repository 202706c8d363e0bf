"""DeepSeek-V3 in PyTorch: MLA, a dense layer, MoE layers with sigmoid + bias routing in groups, one MTP layer. Runs on PyTorch 1.13 and newer."""
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn


def load_config(path=pathlib.Path(__file__).resolve().parent / "config.json"):
    return json.loads(pathlib.Path(path).read_text())


class Linear(nn.Module):
    """A projection without bias."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * n_in ** -0.5)

    def forward(self, x):
        return F.linear(x, self.weight)


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rope_tables(length, dim, theta):
    angle = torch.arange(length)[:, None].float() * theta ** (-torch.arange(0, dim, 2).float() / dim)
    return angle.cos(), angle.sin()


def rope(x, cos, sin):
    """Interleaved pairs (x[2i], x[2i+1]); x is [batch, heads, time, dim]."""
    p, q = x[..., 0::2], x[..., 1::2]
    return torch.stack((p * cos - q * sin, p * sin + q * cos), -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.nope, self.rope_dim, self.v, self.rank = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"], c["kv_lora_rank"]
        self.q_a_proj = Linear(c["hidden_size"], c["q_lora_rank"])
        self.q_a_layernorm = RMSNorm(c["q_lora_rank"], 1e-6)  # the two inner norms ignore rms_norm_eps, as in DeepSeek's code
        self.q_b_proj = Linear(c["q_lora_rank"], self.heads * (self.nope + self.rope_dim))
        self.kv_a_proj_with_mqa = Linear(c["hidden_size"], self.rank + self.rope_dim)
        self.kv_a_layernorm = RMSNorm(self.rank, 1e-6)
        self.kv_b_proj = Linear(self.rank, self.heads * (self.nope + self.v))
        self.o_proj = Linear(self.heads * self.v, c["hidden_size"])

    def forward(self, x, cos, sin):
        batch, time, _ = x.shape
        heads = lambda y, width: y.view(batch, time, self.heads, width).transpose(1, 2)
        q_nope, q_pe = heads(self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))), self.nope + self.rope_dim).split((self.nope, self.rope_dim), -1)
        latent, k_pe = self.kv_a_proj_with_mqa(x).split((self.rank, self.rope_dim), -1)
        k_nope, v = heads(self.kv_b_proj(self.kv_a_layernorm(latent)), self.nope + self.v).split((self.nope, self.v), -1)
        q = torch.cat((q_nope, rope(q_pe, cos, sin)), -1)
        k = torch.cat((k_nope, rope(k_pe.unsqueeze(1), cos, sin).expand(-1, self.heads, -1, -1)), -1)
        if hasattr(F, "scaled_dot_product_attention"):
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = torch.full((time, time), float("-inf")).triu(1)
            score = torch.baddbmm(mask.expand(batch * self.heads, -1, -1), q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=q.shape[-1] ** -0.5)
            out = torch.bmm(score.softmax(-1), v.flatten(0, 1)).view(batch, self.heads, time, self.v)
        return self.o_proj(out.transpose(1, 2).reshape(batch, time, self.heads * self.v))


class MLP(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = Linear(hidden, inner), Linear(hidden, inner), Linear(inner, hidden)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Gather(torch.autograd.Function):
    """Rows of x in the order of `source`. Its backward gathers too, which on CPUs is much faster than scattering:
    `uses` names the outputs that each row of x went to."""

    @staticmethod
    def forward(ctx, x, source, uses):
        ctx.save_for_backward(uses)
        return x.index_select(0, source)

    @staticmethod
    def backward(ctx, g):
        (uses,) = ctx.saved_tensors
        g = g.index_select(0, uses.flatten())
        return (g.view(*uses.shape, -1).sum(1) if uses.dim() == 2 else g), None, None


class Experts(torch.autograd.Function):
    """down(silu(gate) * up) of each expert on its own rows of x, which are sorted by expert: no padding, no dropped token."""

    @staticmethod
    def forward(ctx, x, gate_up, down, counts):
        ctx.counts, weights = counts, gate_up.flatten(1, 2)
        both = x.new_empty(len(x), weights.shape[1])
        for rows, out, w in zip(x.split(counts), both.split(counts), weights):
            torch.mm(rows, w.t(), out=out)
        gate, up = both.chunk(2, -1)
        inner, result = F.silu(gate) * up, torch.empty_like(x)
        for rows, out, w in zip(inner.split(counts), result.split(counts), down):
            torch.mm(rows, w.t(), out=out)
        ctx.save_for_backward(x, gate_up, down, both, inner)
        return result

    @staticmethod
    def backward(ctx, g):
        x, gate_up, down, both, inner = ctx.saved_tensors
        counts, weights, g = ctx.counts, gate_up.flatten(1, 2), g.contiguous()
        d_inner, d_x, d_both = torch.empty_like(inner), torch.empty_like(x), torch.empty_like(both)
        d_weights, d_down = torch.empty_like(weights), torch.empty_like(down)
        for rows, hidden, out, w, dw in zip(g.split(counts), inner.split(counts), d_inner.split(counts), down, d_down):
            torch.mm(rows, w, out=out)
            torch.mm(rows.t(), hidden, out=dw)
        gate, up = both.chunk(2, -1)
        s = torch.sigmoid(gate)
        torch.mul(d_inner, gate * s, out=d_both[:, up.shape[1]:])
        torch.mul(d_inner * up, s * (1 + gate * (1 - s)), out=d_both[:, :up.shape[1]])
        for rows, source, out, w, dw in zip(d_both.split(counts), x.split(counts), d_x.split(counts), weights, d_weights):
            torch.mm(rows, w, out=out)
            torch.mm(rows.t(), source, out=dw)
        return d_x, d_weights.view_as(gate_up), d_down, None


class MoE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, hidden, inner, n = c, c["hidden_size"], c["moe_intermediate_size"], c["n_routed_experts"]
        self.gate = nn.Parameter(torch.randn(n, hidden) * hidden ** -0.5)
        self.register_buffer("bias", torch.zeros(n))
        self.register_buffer("load", torch.zeros(n))
        self.gate_up = nn.Parameter(torch.randn(n, 2, inner, hidden) * hidden ** -0.5)
        self.down = nn.Parameter(torch.randn(n, hidden, inner) * inner ** -0.5)
        self.shared_experts = MLP(hidden, inner * c["n_shared_experts"])

    def route(self, x):
        c, n = self.c, self.c["n_routed_experts"]
        score = torch.sigmoid(F.linear(x.float(), self.gate))
        choice = (score + self.bias).detach()
        group = choice.view(len(x), c["n_group"], -1).topk(2, -1)[0].sum(-1)
        keep = torch.zeros_like(group).scatter_(1, group.topk(c["topk_group"], -1)[1], 1.0)
        choice = choice.masked_fill(keep.repeat_interleave(n // c["n_group"], 1) == 0, float("-inf"))
        index = choice.topk(c["num_experts_per_tok"], -1)[1]
        weight = score.gather(1, index)
        if c["norm_topk_prob"]:
            weight = weight / weight.sum(-1, keepdim=True)
        return index, weight * c["routed_scaling_factor"]

    def forward(self, x):
        shape, x = x.shape, x.reshape(-1, x.shape[-1])
        index, weight = self.route(x)
        expert, order = index.flatten().sort(stable=True)
        count = torch.bincount(expert, minlength=self.c["n_routed_experts"])
        self.load += count
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))  # where each (token, choice) lies among the sorted rows
        rows = Gather.apply(x, order // index.shape[1], place.view(index.shape))
        rows = Experts.apply(rows, self.gate_up, self.down, count.tolist())
        chosen = Gather.apply(rows, place, order).view(*index.shape, -1)
        out = torch.bmm(weight.unsqueeze(1), chosen).squeeze(1)
        return (out + self.shared_experts(x)).view(shape)


class Block(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = MLP(c["hidden_size"], c["intermediate_size"]) if dense else MoE(c)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Mtp(nn.Module):
    def __init__(self, c):
        super().__init__()
        norm = lambda: RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.enorm, self.hnorm, self.eh_proj, self.block, self.head_norm = norm(), norm(), Linear(2 * c["hidden_size"], c["hidden_size"]), Block(c, False), norm()


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Parameter(torch.randn(c["vocab_size"], c["hidden_size"]) * 0.5)
        self.layers = nn.ModuleList(Block(c, l < c["first_k_dense_replace"]) for l in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.head = nn.Parameter(torch.randn(c["vocab_size"], c["hidden_size"]) * c["hidden_size"] ** -0.5)
        self.mtp = Mtp(c)
        cos, sin = rope_tables(c["max_position_embeddings"], c["qk_rope_head_dim"], c["rope_theta"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def moes(self):
        return [m for m in self.modules() if isinstance(m, MoE)]

    def hidden(self, ids):
        """The final norm's output, [batch, time, hidden]."""
        x, t = F.embedding(ids, self.embed), ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        return self.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.head)

    def mtp_hidden(self, hidden, next_ids):
        """Row i sees h_i and token i+1 and predicts token i+2; the embedding half comes first."""
        m, t = self.mtp, next_ids.shape[1]
        z = m.eh_proj(torch.cat((m.enorm(F.embedding(next_ids, self.embed)), m.hnorm(hidden)), -1))
        return m.head_norm(m.block(z, self.cos[:t], self.sin[:t]))
