"""Turns the results of run.py into the page and the plot.

The page has one table of times relative to the best peer for each batch and thread count (in training, where each model has its batch,
for each thread count), and one of sizes, memory and start-up; every figure is of the one session that the results describe. The plot
shows the first of the tables as bars, and is drawn without a library.
"""
import math

import peers
import trainers

COLORS = {"sylvite": "#c2410c", "sylvite-exact": "#fdba74", "onnxruntime": "#1d4ed8", "openvino": "#60a5fa", "litert": "#15803d",
          "tensorflow": "#86efac", "torch": "#7e22ce", "torch-compile": "#d8b4fe", "jax": "#64748b",
          "keras": "#15803d", "keras-xla": "#86efac", "keras-jax": "#64748b"}
OURS = ("sylvite", "sylvite-exact")
AXIS_END = 4  # of the plot; longer bars are cut and labelled


def line(result):
    """One result for the terminal."""
    if "min_ms" not in result:
        return f"{result['model']:15} b{result['batch']} t{result['threads']} {result['peer']:14} FAILED: {result.get('error_message')}"
    return (f"{result['model']:15} b{result['batch']} t{result['threads']} {result['peer']:14} min {result['min_ms']:9.3f} ms  median "
            f"{result['median_ms']:9.3f} ms  runs {result['runs']:5}  error {result['error']:.1e}")


class Session:
    """The results by row (a model), section (a batch and a number of threads) and peer."""

    def __init__(self, session):
        self.session, self.training = session, session.get("training", False)
        self.kinds = trainers.PEERS if self.training else peers.PEERS
        self.results = {(self.row(result), self.section(result), result["peer"]): result for result in session["results"]}
        self.models, self.sections = (unique(key[i] for key in self.results) for i in range(2))
        self.peers = [name for name in self.kinds if any(result["peer"] == name for result in session["results"])]

    def row(self, result):
        return f"{result['model']}, batch {result['batch']}" if self.training else result["model"]

    def section(self, result):
        threads = f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}"
        return threads if self.training else f"batch {result['batch']}, {threads}"

    def get(self, model, section, peer):
        result = self.results.get((model, section, peer), {})
        return result if "min_ms" in result else None

    def best(self, model, section, field):
        """The best peer's time, Sylvite left out."""
        measured = [self.get(model, section, peer) for peer in self.peers if peer not in OURS]
        return min((result[field] for result in measured if result), default=None)

    def relative(self, model, section, peer, field="min_ms"):
        result, best = self.get(model, section, peer), self.best(model, section, field)
        return result[field] / best if result and best else None

    def percent_of_peak(self, result):
        flops = self.session["models"][result["model"]]["flops"] * result["batch"]
        peak = self.session["machine"]["peak_gflops"] * result["threads"]
        return f"{100 * flops / result['min_ms'] / 1e6 / peak:.0f} %" if flops else "-"  # of ONNX files it is not counted

    def title(self, peer):
        return self.kinds[peer].title


def unique(values):
    return list(dict.fromkeys(values))


def number(value):
    """Three significant digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value and value < 1000 else f"{value:.0f}"


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def summary_rows(session, section):
    for model in session.models:
        ours = session.get(model, section, "sylvite")
        ranked = sorted((session.get(model, section, peer)["min_ms"], peer) for peer in session.peers
                        if peer not in OURS and session.get(model, section, peer))
        if not ours or not ranked:
            continue
        yield [model, number(ours["min_ms"]), session.percent_of_peak(ours), session.title(ranked[0][1]), number(ranked[0][0]),
               f"**{session.relative(model, section, 'sylvite'):.2f}**", f"{session.relative(model, section, 'sylvite', 'median_ms'):.2f}"]


def time_rows(session, section):
    for model in session.models:
        row = [model]
        for peer in session.peers:
            result = session.get(model, section, peer)
            row.append(f"{number(result['min_ms'])} / {number(result['median_ms'])}" if result else "-")
        yield row


def cost_rows(session, cell):
    for model in session.models:
        row = [model]
        for peer in session.peers:
            result = session.get(model, session.sections[0], peer)
            row.append(cell(result) if result else "-")
        yield row


def page(session, plot_name):
    information, titles = session.session["machine"], [session.title(peer) for peer in session.peers]
    yield "# Training: Sylvite and its peers" if session.training else "# Sylvite and its peers"
    yield ""
    command = "benchmarks/run.py --training" if session.training else "benchmarks/run.py"
    yield f"Written by `{command}`; every figure on this page was measured in one session, the peers interleaved."
    yield ""
    yield (f"{information['processor']}, {information['cores']} cores, {information['peak_gflops']:.1f} GFLOP/s of FMA peak per core as "
           f"`fma_peak.c` measures it; {information['date']}.")
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(session.session["versions"].items())) + "."
    yield ""
    yield f"![Time relative to the best peer]({plot_name})"
    for section in session.sections:
        yield ""
        yield f"## {section[0].upper()}{section[1:]}"
        yield ""
        yield from table(["model", "Sylvite, ms", "of FMA peak", "best peer", "its ms", "relative, minimum", "relative, median"],
                         summary_rows(session, section))
        yield ""
        yield "All peers, minimum / median in milliseconds:"
        yield ""
        yield from table(["model", *titles], time_rows(session, section))
    yield ""
    yield f"## What it takes to {'train' if session.training else 'run'} ({session.sections[0]})"
    megabytes = lambda value: number(value / 1e6)
    for caption, cell in (
            ("Size to deploy, MB: the model's file, and the runtime's libraries; Sylvite's library has both in it.",
             lambda result: " + ".join(megabytes(result[key]) for key in ("model_bytes", "runtime_bytes") if result[key])),
            ("Peak memory, MB resident, of the whole process: Python, NumPy and the runtime's package are in it.",
             lambda result: megabytes(result["peak_memory"])),
            ("Time to first result, s: import, load and first run in a process that has started; PyTorch compiles here. In brackets, "
             "`sylvite compile` from a cold cache.",
             lambda result: number(result["first_result_s"]) + (f" ({number(result['compile_s'])})" if result.get("compile_s") else "")),
            ("Largest difference of the losses of five steps from those of Keras on TensorFlow, of the largest." if session.training else
             "Largest difference from the reference (Keras on TensorFlow; for ONNX files ONNX Runtime), of its largest value.",
             lambda result: f"{result['error']:.0e}")):
        yield ""
        yield caption
        yield ""
        yield from table(["model", *titles], cost_rows(session, cell))
    failures = [result for result in session.results.values() if "error_message" in result]
    if failures:
        yield ""
        reason = lambda result: result["error_message"].splitlines()[0]
        yield "Not measured: " + "; ".join(f"{session.title(result['peer'])} on {result['model']} ({reason(result)})"
                                           for result in failures) + "."
    yield ""
    yield "## How it is measured"
    yield ""
    if session.training:
        yield ("A step is forward pass, loss, backward pass and update; float32 throughout, the same weights to begin with and the same "
               "batches (random and seeded) in the same order. % of peak counts two operations per multiply-add of convolutions and "
               "matrix products, those of the gradients too.")
    else:
        yield ("Float32 throughout, the same weights (random and seeded, those of ONNX files trained), the same inputs. % of peak "
               "counts two operations per multiply-add of convolutions and matrix products.")
    yield ("They are counted whatever the algorithm, so Winograd's can pass 100 %. With one thread the time of a call is the smaller of "
           "wall and processor time, which other programs on the machine do not lengthen; with several threads it is wall time. "
           "Relative times divide by the best peer's minimum, or median, on the same model.")
    yield ""
    yield from table(["peer", "how it runs"], ([session.title(name), session.kinds[name].note] for name in session.peers))
    yield ""


def plot(session):
    """Horizontal bars of time relative to the best peer, for the first batch and thread count."""
    section = session.sections[0]
    left, width, bar, gap = 160 if session.training else 120, 560, 9, 14
    position = lambda value: left + width * min(value, AXIS_END) / AXIS_END
    bars, y = [], 56
    for model in session.models:
        top = y
        for peer in session.peers:
            value = session.relative(model, section, peer)
            if value is None:
                continue
            x = position(value)
            bars.append(f'<rect x="{left}" y="{y}" width="{x - left:.1f}" height="{bar - 1}" fill="{COLORS[peer]}"/>')
            if peer == "sylvite" or value > AXIS_END:
                bars.append(f'<text x="{x + 3:.1f}" y="{y + bar - 2}" font-size="9">{number(value)}</text>')
            y += bar
        bars.append(f'<text x="{left - 6}" y="{(top + y) / 2 + 4:.0f}" text-anchor="end">{model}</text>')
        y += gap
    axis, legend = [], []
    for value in range(AXIS_END + 1):
        x, stroke = position(value), "#111" if value == 1 else "#ccc"
        axis.append(f'<line x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{y - gap + 6}" stroke="{stroke}"/>')
        axis.append(f'<text x="{x:.1f}" y="{y + 8}" text-anchor="middle">{value}</text>')
    for index, peer in enumerate(session.peers):
        x, row = left + 115 * (index % 5), 14 + 16 * (index // 5)
        legend.append(f'<rect x="{x}" y="{row - 9}" width="10" height="10" fill="{COLORS[peer]}"/>')
        legend.append(f'<text x="{x + 14}" y="{row}">{session.title(peer)}</text>')
    caption = f"time relative to the best peer, {section} (shorter is faster)"
    legend.append(f'<text x="{left + width / 2:.0f}" y="{y + 24}" text-anchor="middle">{caption}</text>')
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 60}" height="{y + 30}" font-family="sans-serif" '
                      'font-size="11">', '<rect width="100%" height="100%" fill="white"/>', *axis, *bars, *legend, "</svg>", ""])


def write(session, path):
    """Writes the page to `path` and the plot beside it."""
    session, picture = Session(session), path.with_suffix(".svg")
    picture.write_text(plot(session))
    path.write_text("\n".join(page(session, picture.name)))
