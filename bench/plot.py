"""The results as a picture: wall time of each row for each latency, beside the
floor."""

try:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
except ImportError:
    pyplot = None


def _series(results, messages, latency, names):
    found = {r["row"]: r for r in results
             if (r["messages"], r["latency_ms"]) == (messages, latency)}
    return [max(found[n]["wall_s"], 0.001) if n in found else 0.001
            for n in names]


def draw(results, path):
    if pyplot is None:
        print(f"{path} is not drawn: install python3-matplotlib")
        return
    sizes = sorted({r["messages"] for r in results})
    latencies = sorted({r["latency_ms"] for r in results})
    names = list(dict.fromkeys(r["row"] for r in results))
    figure, axes = pyplot.subplots(
        1, len(sizes), figsize=(5 + 4 * len(sizes), 2 + 0.32 * len(names)),
        sharey=True, squeeze=False)
    height = 0.8 / len(latencies)
    for axis, messages in zip(axes[0], sizes):
        for i, latency in enumerate(latencies):
            places = [y + i * height for y in range(len(names))]
            axis.barh(places, _series(results, messages, latency, names),
                      height, label=f"{latency} ms per request")
        floors = [(r["requests"] or 0) * latencies[-1] / 4000 for n in names
                  for r in results if (r["row"], r["messages"],
                                       r["latency_ms"]) ==
                  (n, messages, latencies[-1])]
        if len(floors) == len(names) and latencies[-1]:
            axis.plot([max(f, 0.001) for f in floors],
                      [y + (len(latencies) - 1) * height
                       for y in range(len(names))], "k|", markersize=9,
                      label=f"floor at {latencies[-1]} ms")
        axis.set_xscale("log")
        axis.set_xlabel("seconds")
        axis.set_title(f"{messages:,} messages")
        axis.set_yticks(range(len(names)), names)
        axis.grid(axis="x", alpha=0.3)
    axes[0][0].invert_yaxis()
    figure.legend(*axes[0][-1].get_legend_handles_labels(), ncol=4,
                  loc="lower center", fontsize="small")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=90)
