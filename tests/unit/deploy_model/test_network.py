"""The trained network against an independent float64 one, and the FP8 files against what training saw."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "deploy" / "model"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    import torch
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed")
import checkpoint
import decode
import generate
import quantise
import vocabulary
from model import Model, load_config
from reference import Reference


def random_model(seed):
    torch.manual_seed(seed)
    model = Model(load_config())
    for moe in model.moes():
        moe.bias.copy_(torch.randn(len(moe.bias)) * 0.1)
    for name, p in model.named_parameters():
        if "norm" in name:
            p.data += torch.randn_like(p) * 0.1
        p.data = quantise.as_stored(p.data, checkpoint.kind_of(name, p))
    return model


class Network(unittest.TestCase):
    def test_same_as_reference(self):
        model = random_model(3)
        weights = {name: t.detach().double().numpy() for name, t, _ in checkpoint._names(model)}
        reference, ids = Reference(model.c, weights), torch.randint(0, 768, (33,))
        with torch.no_grad():
            hidden = model.hidden(ids[None, :-1])
            logits, mtp = model.logits(hidden)[0], model.logits(model.mtp_hidden(hidden, ids[None, 1:]))[0]
        wanted = reference.hidden(ids[:-1].numpy())
        for mine, theirs in ((logits, reference.logits(wanted)), (mtp, reference.mtp_logits(wanted, ids[1:].numpy()))):
            theirs = torch.from_numpy(theirs)
            self.assertTrue(((mine - theirs).abs() <= 2e-4 + 2e-5 * theirs.abs()).all())

    def test_file_holds_what_training_saw(self):
        model = random_model(4)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.write(model, folder + "/model.safetensors")
            tensors = checkpoint.read(folder + "/model.safetensors")
            again = checkpoint.load(Model(model.c), folder + "/model.safetensors")
        self.assertEqual(tensors["model.layers.1.mlp.experts.3.up_proj.weight"][0], "F8_E4M3")
        self.assertEqual(list(tensors["model.layers.0.self_attn.q_b_proj.weight_scale_inv"][1].shape), [2, 1])
        self.assertEqual(tensors["model.layers.4.eh_proj.weight"][0], "BF16")
        for (name, a), (_, b) in zip(model.named_parameters(), again.named_parameters()):
            self.assertTrue(torch.allclose(a, b, rtol=1e-6, atol=1e-9), name)

    def test_cached_decoding_same_as_full(self):
        model, tokenizer = random_model(5), vocabulary.Tokenizer()
        texts = [vocabulary.render(generate.Problem("", "", q, "", "")) for q in ("48+77", "Sort 3, 1, 2.")]
        model.head.data[1] = 0  # a logit of 0 is never the largest: no early end
        for text, out in zip(texts, decode.greedy(model, tokenizer, texts, limit=8)):
            ids = tokenizer.encode(text)
            for _ in range(8):
                with torch.no_grad():
                    ids.append(int(model.logits(model.hidden(torch.tensor([ids])))[0, -1].argmax()))
            self.assertEqual(out, tokenizer.decode(ids[-8:]))


class Fp8(unittest.TestCase):
    def test_codes(self):
        codes = torch.tensor([i for i in range(256) if i & 127 != 127])
        values = quantise.from_bytes(codes)
        self.assertEqual([float(values[i]) for i in (0, 1, 8, 0x38, 0x7E)], [0, 2 ** -9, 2 ** -6, 1, 448])
        self.assertTrue((quantise.to_bytes(values) == codes).all())
        self.assertTrue((quantise.round_e4m3(values) == values).all())

    def test_blocks(self):
        w = torch.randn(200, 300) * 0.02
        values, scale = quantise.quantise(w)
        self.assertEqual(list(scale.shape), [2, 3])
        self.assertLess(float((quantise.dequantise(values, scale) - w).abs().max()), float(w.abs().max()) / 16)


if __name__ == "__main__":
    unittest.main()
