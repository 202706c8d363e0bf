"""FP8 E4M3 with one scale per 128 x 128 block, as DeepSeek-V3 stores its projections. Pure arithmetic, so it needs no float8 type."""
import torch

BLOCK, LARGEST = 128, 448.0


def round_e4m3(x):
    """Nearest representable value, ties to even; |x| must not exceed 448."""
    if hasattr(torch, "float8_e4m3fn"):
        return x.to(torch.float8_e4m3fn).float()
    exponent = torch.frexp(x)[1].clamp(min=-5) - 1  # floor(log2|x|), at least -6: below lie the subnormals
    step = torch.ldexp(torch.ones_like(x), exponent - 3)
    return torch.round(x / step) * step


def _grid(w):
    rows, cols = -(-w.shape[-2] // BLOCK), -(-w.shape[-1] // BLOCK)
    return rows, cols, torch.nn.functional.pad(w, (0, cols * BLOCK - w.shape[-1], 0, rows * BLOCK - w.shape[-2]))


def block_scales(w):
    """[..., ceil(out/128), ceil(in/128)] multipliers."""
    rows, cols, padded = _grid(w)
    blocks = padded.reshape(*w.shape[:-2], rows, BLOCK, cols, BLOCK)
    return blocks.abs().amax((-3, -1)).clamp(min=1e-12) / LARGEST


def _spread(scale, shape):
    return scale.repeat_interleave(BLOCK, -2).repeat_interleave(BLOCK, -1)[..., :shape[-2], :shape[-1]]


def quantise(w):
    """(values on the E4M3 grid, scales) of a weight [..., out, in]."""
    w = w.detach().float()
    scale = block_scales(w)
    return round_e4m3((w / _spread(scale, w.shape)).clamp(-LARGEST, LARGEST)), scale


def dequantise(values, scale):
    return values * _spread(scale, values.shape)


def as_stored(w, kind):
    """w after a round trip through its stored format (fp8, bf16 or f32)."""
    if kind == "fp8":
        return dequantise(*quantise(w))
    return w.detach().bfloat16().float() if kind == "bf16" else w.detach()


def to_bytes(values):
    """E4M3 codes (uint8) of values that lie on the grid."""
    mantissa, exponent = torch.frexp(values.abs())
    normal = values.abs() >= 2.0 ** -6
    code = torch.where(normal, ((exponent - 1 + 7) * 8 + ((mantissa * 2 - 1) * 8).round().int()), (values.abs() * 512).round().int())
    return (code + 128 * torch.signbit(values).int()).to(torch.uint8)


def from_bytes(codes):
    codes = codes.int()
    exponent, mantissa = (codes >> 3) & 15, (codes & 7).float()
    size = torch.where(exponent == 0, mantissa / 512, torch.ldexp(1 + mantissa / 8, exponent - 7))
    return torch.where(codes >= 128, -size, size)
