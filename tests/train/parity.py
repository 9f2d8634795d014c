"""The trainer's arithmetic once more, in NumPy (double precision), and with PyTorch's autograd where
that is installed; the codes also through SAELens where that is.

    parity.py PARITY_DUMP ADAPTER [MODEL TEXT]

PARITY_DUMP is the program of parity_dump.cpp, ADAPTER an adapter directory; with a model and a text
the codes compared are those of real keys, else of random ones. Exits 77 (skipped) without NumPy.

Tolerances (the C++ side computes in single precision): losses 1e-6 relative; gradients 2e-6 of the
largest entry of their tensor (query side 2e-5); weights after ten Adam steps 5e-5; a code's features
equal but where two pre-activations are within 1e-4 (relative) of each other, its activation byte
within 1.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

SYSTEM_PYTHON = "/usr/bin/python3"  # where a system package of NumPy is found

try:
    import numpy as np
except ImportError:
    if os.path.exists(SYSTEM_PYTHON) and sys.executable != SYSTEM_PYTHON:
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    print("NumPy is not installed (on Debian: python3-numpy): skipped")
    sys.exit(77)


def read_safetensors(path):
    """Tensors as float64, from the format's description; no package needed."""
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    types = {"F32": np.float32, "F16": np.float16}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], dtype=types[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(np.float64)
    return tensors


def scalar(tensors, name):
    return float(tensors[name][0])


def check_close(what, ours, theirs, tolerance):
    scale = max(np.abs(theirs).max(), 1e-12)
    worst = np.abs(ours - theirs).max() / scale
    print(f"{what}: {worst:.2e} of at most {tolerance:.0e}")
    if not worst <= tolerance:
        sys.exit(f"{what}: the C++ trainer and the reference differ by {worst:.3g}")


# ---- the autoencoder


def top_k(values, k):
    """Column indices of the k largest positive entries of each row; -1 where there are fewer."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(values, order, 1) > 0, order, -1)


def sae_pass(w, x, target, allowed, k, weight, gradient):
    """Adds weight / rows * sum |target - reconstruction|^2 to the gradient; returns the residual."""
    rows, latents = len(x), len(w["bias"])
    pre = x @ w["encoder"].T + w["bias"]
    picks = top_k(np.where(allowed, pre, -1), k)
    z = np.zeros((rows, latents))
    for r in range(rows):
        on = picks[r][picks[r] >= 0]
        z[r, on] = pre[r, on]
    residual = target - z @ w["decoder"]
    slope = np.where(z > 0, -2 * weight / rows * residual @ w["decoder"].T, 0)
    gradient["encoder"] += slope.T @ x
    gradient["bias"] += slope.sum(0)
    gradient["decoder"] += -2 * weight / rows * z.T @ residual
    return residual


def sae_loss(w, t, dead):
    x = t["x"]
    gradient = {name: np.zeros_like(w[name]) for name in ("encoder", "bias", "decoder")}
    everything = np.ones(len(w["bias"]), bool)
    residual = sae_pass(w, x, x, everything, int(scalar(t, "k")), 1, gradient)
    if dead is not None and dead.any():
        sae_pass(w, x, residual, dead, int(scalar(t, "aux_k")), scalar(t, "aux_weight"), gradient)
    return (residual**2).sum() / len(x), gradient


def weights(t, prefix):
    return {name: t[prefix + name].copy() for name in ("encoder", "bias", "decoder")}


def sae_steps(t, dead):
    """Adam as the trainer does it: the bias at a rate of 1/sqrt(d), decoder rows renormalised."""
    w = weights(t, "start.")
    m = {name: np.zeros_like(v) for name, v in w.items()}
    v = {name: np.zeros_like(x) for name, x in w.items()}
    silent = np.where(dead, scalar(t, "dead_after") + 1, 0)
    losses = []
    for step in range(1, len(t["losses"]) + 1):
        now_dead = silent > scalar(t, "dead_after")
        aux = step % int(scalar(t, "aux_every")) == 0 and now_dead.sum() * 100 > len(dead)
        fired = np.zeros(len(dead), bool)
        picks = top_k(t["x"] @ w["encoder"].T + w["bias"], int(scalar(t, "k")))
        fired[picks[picks >= 0]] = True
        loss, gradient = sae_loss(w, t, now_dead if aux else None)
        losses.append(loss)
        silent = np.where(fired, 0, silent + 1)
        for name in w:
            rate = scalar(t, "rate") / (np.sqrt(t["x"].shape[1]) if name == "bias" else 1)
            m[name] = 0.9 * m[name] + 0.1 * gradient[name]
            v[name] = 0.99 * v[name] + 0.01 * gradient[name] ** 2
            step_size = m[name] / (1 - 0.9**step)
            w[name] -= rate * step_size / (np.sqrt(v[name] / (1 - 0.99**step)) + 1e-8)
        w["decoder"] /= np.linalg.norm(w["decoder"], axis=1, keepdims=True)
    return np.array(losses), w


def check_sae(t):
    dead = np.zeros(len(t["start.bias"]), bool)
    dead[t["dead"].astype(int)] = True
    for prefix, which in (("main.", None), ("aux.", dead)):
        loss, gradient = sae_loss(weights(t, "start."), t, which)
        check_close(f"SAE loss ({prefix[:-1]})", t[prefix + "loss"], np.array([loss]), 1e-6)
        for name, values in gradient.items():
            check_close(f"SAE gradient ({prefix[:-1]}) of {name}", t[prefix + name], values, 2e-6)
    losses, end = sae_steps(t, dead)
    check_close("SAE losses of ten steps", t["losses"], losses, 1e-6)
    for name, values in end.items():
        check_close(f"SAE {name} after ten steps", t["end." + name], values, 5e-5)


# ---- the query side


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def query_loss(t, p, np_):
    """The contrastive loss; np_ has the same functions over NumPy or over torch."""
    n_heads = sum(name.endswith(".queries") for name in t)
    mixture = np_.softmax(np_.stack([p[f"{j}.mixture_logit"][0] for j in range(n_heads)]), 0)
    total = 0
    for q, (begin, end) in enumerate(t["questions"].astype(int)):
        found = 0
        for j in range(n_heads):
            raw = np_.array(t[f"head.{j}.queries"][begin:end])
            mapped = raw @ p[f"{j}.map"].T + p[f"{j}.bias"]
            mapped = mapped / np_.sqrt((mapped**2).sum(1))[:, None]
            keys = np_.array(t[f"keys.{int(t[f'head.{j}.slot'][0])}"])
            score = mapped @ keys.T
            best = np_.stack([np_.rowmax(score[:, a:b]) for a, b in t["units"].astype(int)])
            attention = np_.softmax(np_.exp(p[f"{j}.log_temperature"][0]) * best, 0)
            share = np_.softmax(raw @ p[f"{j}.token_weight"], 0)
            found = found + mixture[j] * (share * attention[int(t["gold"][q])]).sum()
        total = total - np_.log(found + 1e-9)
    loss = total / len(t["questions"])
    for j in range(n_heads):
        identity = np_.array(np.eye(t["keys.0"].shape[1]))
        loss = loss + scalar(t, "regulariser") * ((p[f"{j}.map"] - identity) ** 2).sum()
    return loss


class NumpyNames:
    stack, exp, log, sqrt, array = np.stack, np.exp, np.log, np.sqrt, np.asarray
    softmax = staticmethod(softmax)
    rowmax = staticmethod(lambda value: value.max(1))


def head_params(t, prefix):
    return {name[len(prefix) + 1:]: values for name, values in t.items()
            if name.startswith(prefix + ".") and not name.endswith((".slot", ".queries"))}


def numeric_gradient(t, p, name, entries, step=1e-5):
    values = []
    for at in entries:
        changed = {key: value.copy() for key, value in p.items()}
        losses = []
        for sign in (1, -1):
            changed[name].flat[at] = p[name].flat[at] + sign * step
            losses.append(query_loss(t, changed, NumpyNames))
        values.append((losses[0] - losses[1]) / (2 * step))
    return np.array(values)


def check_query(t):
    params, gradient = head_params(t, "head"), head_params(t, "gradient")
    loss = query_loss(t, params, NumpyNames)
    check_close("query side loss", t["loss"], np.array([loss]), 1e-6)
    rng = np.random.default_rng(1)
    for name, ours in gradient.items():
        entries = rng.choice(ours.size, min(ours.size, 6), replace=False)
        scale = np.abs(ours).max()
        theirs = numeric_gradient(t, params, name, entries)
        worst = np.abs(ours.flat[entries] - theirs).max() / max(scale, 1e-12)
        print(f"query side gradient of {name} (finite differences): {worst:.2e} of at most 2e-05")
        if not worst <= 2e-5:
            sys.exit(f"query side gradient of {name} differs by {worst:.3g}")


# ---- codes


def check_codes(t, adapter):
    folder = pathlib.Path(adapter) / f"sae_L{int(t['layer'][0])}_H{int(t['kv_head'][0])}"
    sae = read_safetensors(folder / "sae_weights.safetensors")
    k = json.loads((folder / "cfg.json").read_text())["k"]
    x = t["keys"] - t["mean_key"]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pre = (x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
    compare_codes("NumPy", t, pre, sae["W_dec"], k)
    return folder, x


def compare_codes(who, t, pre, decoder, k, slack=1e-4):
    scale, ties, off = scalar(t, "activation_scale"), 0, 0
    for row, feature, activation in zip(pre, t["feature"].astype(int), t["activation"]):
        picks = np.argsort(-row, kind="stable")[:k]
        picks = picks[row[picks] > 0]
        ours = set(feature[activation > 0])
        for f in ours ^ set(picks):  # allowed only beside the border
            border = row[picks[-1]]
            if abs(row[f] - border) > slack * max(abs(border), 1) and row[f] > scale / 2:
                sys.exit(f"{who}: feature {f} with pre-activation {row[f]} is on one side only; "
                         f"the smallest chosen one has {border}")
            ties += 1
        if ours == set(picks):
            norm = np.linalg.norm(row[picks] @ decoder[picks])
            byte = dict(zip(feature, activation))
            for f in picks:
                expected = np.clip(np.rint(row[f] / norm / scale), 1, 255)
                off = max(off, abs(byte[f] - expected))
    print(f"codes against {who}: {len(pre)} keys, {ties} features differ (ties), "
          f"activation bytes off by at most {off:.0f}")
    if off > 1:
        sys.exit(f"{who}: an activation byte is off by {off}")
    if ties > len(pre) * k / 100:
        sys.exit(f"{who}: {ties} features differ, more than ties explain")


# ---- PyTorch and SAELens, where they are


def check_with_torch(sae, query):
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its comparison is skipped")
        return
    w = {name: torch.tensor(sae["start." + name], requires_grad=True)
         for name in ("encoder", "bias", "decoder")}
    x = torch.tensor(sae["x"])
    values, index = torch.relu(x @ w["encoder"].T + w["bias"]).topk(int(scalar(sae, "k")))
    loss = ((x - torch.einsum("rk,rkd->rd", values, w["decoder"][index])) ** 2).sum() / len(x)
    loss.backward()
    for name, tensor in w.items():
        check_close(f"SAE gradient of {name} against autograd", sae["main." + name],
                    tensor.grad.numpy(), 2e-6)

    class Names:
        stack, exp, log, sqrt = torch.stack, torch.exp, torch.log, torch.sqrt
        softmax = staticmethod(lambda value, axis: torch.softmax(value, axis))
        array = staticmethod(lambda value: torch.tensor(np.asarray(value)))
        rowmax = staticmethod(lambda value: value.max(1).values)

    p = {name: torch.tensor(value, requires_grad=True)
         for name, value in head_params(query, "head").items()}
    query_loss(query, p, Names).backward()
    for name, tensor in p.items():
        check_close(f"query side gradient of {name} against autograd",
                    query["gradient." + name], tensor.grad.numpy(), 2e-5)


def check_with_saelens(t, folder, x):
    try:
        import torch
        from sae_lens import SAE
    except ImportError as error:
        print(f"SAELens is not installed ({error}): its comparison is skipped")
        return
    sae = SAE.load_from_disk(str(folder), device="cpu").to(torch.float32)
    with torch.no_grad():
        acts = sae.encode(torch.tensor(x, dtype=torch.float32)).numpy().astype(np.float64)
    decoder = sae.W_dec.detach().numpy().astype(np.float64)
    compare_codes("SAELens", t, acts, decoder, int(sae.cfg.k))


def main():
    dump, adapter, *real = sys.argv[1:]
    slots = len(json.loads((pathlib.Path(adapter) / "adapter.json").read_text())["slots"])
    with tempfile.TemporaryDirectory() as directory:
        def dumped(what, *more):
            path = str(pathlib.Path(directory) / what)
            subprocess.run([dump, what, path, *more], check=True)
            return read_safetensors(path)

        sae, query = dumped("sae"), dumped("query")
        codes = dumped("codes", adapter, str(slots - 1), *real)
    check_sae(sae)
    check_query(query)
    folder, x = check_codes(codes, adapter)
    check_with_torch(sae, query)
    check_with_saelens(codes, folder, x)
    print("parity: all compared values agree")


if __name__ == "__main__":
    main()
