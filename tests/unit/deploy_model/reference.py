"""DeepSeek-V3's forward pass in float64 numpy, written apart from model.py from the conventions of the architecture."""
import numpy as np


def rms(x, w, eps=1e-6):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def silu(x):
    return x / (1 + np.exp(-x))


def rope(x, theta):
    angle = np.arange(len(x))[:, None, None] * theta ** (-np.arange(0, x.shape[-1], 2) / x.shape[-1])
    y = np.empty_like(x)
    p, q = x[..., 0::2], x[..., 1::2]
    y[..., 0::2], y[..., 1::2] = p * np.cos(angle) - q * np.sin(angle), p * np.sin(angle) + q * np.cos(angle)
    return y


class Reference:
    """weights: {checkpoint name: float array}"""

    def __init__(self, config, weights):
        self.c, self.w = config, weights

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T

    def mlp(self, x, p):
        return self.linear(silu(self.linear(x, p + "gate_proj")) * self.linear(x, p + "up_proj"), p + "down_proj")

    def attention(self, x, p):
        c, t, h = self.c, len(x), self.c["num_attention_heads"]
        nope, rank, theta = c["qk_nope_head_dim"], c["kv_lora_rank"], c["rope_theta"]
        q = self.linear(rms(self.linear(x, p + "q_a_proj"), self.w[p + "q_a_layernorm.weight"]), p + "q_b_proj").reshape(t, h, -1)
        kv = self.linear(x, p + "kv_a_proj_with_mqa")
        k_pe = rope(kv[:, None, rank:], theta)
        b = self.linear(rms(kv[:, :rank], self.w[p + "kv_a_layernorm.weight"]), p + "kv_b_proj").reshape(t, h, -1)
        score = np.einsum("shd,thd->hst", q[..., :nope], b[..., :nope]) + np.einsum("shd,td->hst", rope(q[..., nope:], theta), k_pe[:, 0])
        score = score * q.shape[-1] ** -0.5 + np.triu(np.full((t, t), -np.inf), 1)
        prob = np.exp(score - score.max(-1, keepdims=True))
        prob /= prob.sum(-1, keepdims=True)
        return self.linear(np.einsum("hst,thd->shd", prob, b[..., nope:]).reshape(t, -1), p + "o_proj")

    def moe(self, x, p):
        c, out = self.c, self.mlp(x, p + "shared_experts.")
        scores = 1 / (1 + np.exp(-x @ self.w[p + "gate.weight"].T))
        for row, s in enumerate(scores):
            choice = s + self.w[p + "gate.e_score_correction_bias"]
            groups = choice.reshape(c["n_group"], -1)
            kept = np.argsort(-np.sort(groups, -1)[:, -2:].sum(-1))[:c["topk_group"]]
            masked = np.full_like(groups, -np.inf)
            masked[kept] = groups[kept]
            best = np.argsort(-masked.flatten())[:c["num_experts_per_tok"]]
            for e in best:
                out[row] += s[e] / s[best].sum() * c["routed_scaling_factor"] * self.mlp(x[row:row + 1], f"{p}experts.{e}.")[0]
        return out

    def block(self, x, l):
        p = f"model.layers.{l}."
        x = x + self.attention(rms(x, self.w[p + "input_layernorm.weight"]), p + "self_attn.")
        h = rms(x, self.w[p + "post_attention_layernorm.weight"])
        return x + (self.moe(h, p + "mlp.") if p + "mlp.gate.weight" in self.w else self.mlp(h, p + "mlp."))

    def hidden(self, ids):
        x = self.w["model.embed_tokens.weight"][ids]
        for l in range(self.c["num_hidden_layers"]):
            x = self.block(x, l)
        return rms(x, self.w["model.norm.weight"])

    def logits(self, hidden):
        return hidden @ self.w["lm_head.weight"].T

    def mtp_logits(self, hidden, next_ids):
        l = self.c["num_hidden_layers"]
        p = f"model.layers.{l}."
        pair = [rms(self.w[p + "embed_tokens.weight"][next_ids], self.w[p + "enorm.weight"]), rms(hidden, self.w[p + "hnorm.weight"])]
        x = self.block(np.concatenate(pair, -1) @ self.w[p + "eh_proj.weight"].T, l)
        return rms(x, self.w[p + "shared_head.norm.weight"]) @ self.w[p + "shared_head.head.weight"].T
