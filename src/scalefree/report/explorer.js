"use strict";
// The chart of curves and histograms: runs by what varies, a line per cell or per seed. Nothing is fetched: the data is
// in the page, packed by packing.py.
(async () => {
  const root = document.getElementById("explorer");
  if (!root) return;
  const needs = document.getElementById("explorer-needs");
  const form = document.getElementById("explorer-form");
  const facetsBox = document.getElementById("explorer-facets");
  const shown = document.getElementById("explorer-shown");
  const chart = document.getElementById("explorer-chart");
  const frame = chart.parentElement;
  const tip = document.getElementById("explorer-tip");
  const reading = document.getElementById("explorer-reading");
  const table = document.getElementById("explorer-lines");
  const sameBox = document.getElementById("explorer-same");

  // More lines than this cannot be told apart.
  const MOST_LINES = 30;
  const MOST_SHADES = 4;
  const WORDS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555"];
  // Viridis without its yellow end, which is too light for a line on white.
  const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 190, 92]];
  const DASHES = ["", "7 3", "2 2.5", "9 3 2 3"];

  // ---- The data ----

  const unpack = async () => {
    const text = atob(document.getElementById("explorer-data").textContent.trim());
    const packed = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const planes = bytes.subarray(4 + length);
    const codes = new Uint16Array(planes.length / 2);
    for (let index = 0; index < codes.length; index++) codes[index] = planes[index] * 256 + planes[codes.length + index];
    return [header, codes];
  };

  let data, codes;
  try {
    [data, codes] = await unpack();
  } catch (error) {
    needs.textContent = `This browser cannot unpack the chart's data (${error.message}); a newer one can.`;
    return;
  }

  // Where each run's codes lie, in the order in which they were packed.
  let offset = 0;
  const runs = data.runs.map(([at, experiments, diverged, error, heldOut, curves, histograms]) => {
    const run = { at, experiments, diverged, error, heldOut, curves: new Map(), histograms: new Map() };
    for (let index = 0; index < curves.length; index += 2) {
      const epochs = data.grids[curves[index + 1]];
      run.curves.set(curves[index], { epochs, offset });
      offset += epochs.length;
    }
    for (let index = 0; index < histograms.length; index += 4) {
      const [first, bins] = data.layouts[histograms[index + 1]];
      const [when, groups] = [data.when[histograms[index + 2]], data.groups[histograms[index + 3]]];
      run.histograms.set(histograms[index], { first, bins, when, groups, offset });
      offset += bins * (when.length + groups.length);
    }
    return run;
  });

  const decode = (code, steps) => (code === 0 ? 0 : 2 ** ((code - 1) / steps + data.lowest));

  // A series: where it is known, and what it is there; errors and shares in percent.
  const curveOf = (run, curve) => {
    const of = run.curves.get(curve);
    if (!of) return null;
    const isError = data.curves[curve][0].endsWith("_error");
    const value = (code) => (isError ? (100 * code) / data.steps.error : decode(code, data.steps.loss));
    return { xs: of.epochs, ys: of.epochs.map((_, index) => value(codes[of.offset + index])) };
  };

  const histogramOf = (run, quantity, group, when) => {
    const of = run.histograms.get(quantity);
    if (!of) return null;
    let row = when === "last" ? of.when.length - 1 : of.when.indexOf(Number(when));
    if (group !== "network") row = of.groups.includes(group) ? of.when.length + of.groups.indexOf(group) : -1;
    if (row < 0) return null;
    const start = of.offset + row * of.bins;
    const ys = Array.from(codes.subarray(start, start + of.bins), (code) => 100 * decode(code, data.steps.share));
    // The bins' places: the one of what is tiny stands apart, and the one of what is not finite has none.
    const xs = ys.map((_, index) => (index === 0 ? of.first - 4.5 : of.first + index - 1));
    return { xs: xs.slice(0, -1), ys: ys.slice(0, -1), notFinite: ys.at(-1), first: of.first };
  };

  // ---- What the reader has chosen ----

  const facets = data.facets;
  const seedFacet = facets.findIndex((facet) => facet.key === "seed");
  const cellFacets = facets.map((facet, index) => index).filter((index) => index !== seedFacet);
  const isOfCell = (index) => ["optimizer.lr", "optimizer.weight_decay"].includes(facets[index].key);
  // Experiments, then the facets in their order; an empty set is no restriction.
  const offers = [
    { label: "Experiment", values: data.experiments, of: (run) => run.experiments },
    ...facets.map((facet, index) => ({ label: facet.label, values: facet.values, of: (run) => [run.at[index]] })),
  ].filter((offer) => offer.values.length > 1);
  for (const offer of offers) offer.chosen = new Set();

  const passes = (run, except) =>
    offers.every((offer) => offer === except || !offer.chosen.size || offer.of(run).some((value) => offer.chosen.has(value)));

  const option = (text, value) => new Option(text, value);
  const controls = form.elements;
  const isCurve = () => controls.quantity.value.startsWith("c");
  const quantity = () => Number(controls.quantity.value.slice(1));

  const fill = (select, options, wanted) => {
    const before = wanted ?? select.value;
    select.replaceChildren(...options.map(([text, value]) => option(text, value)));
    select.value = options.some(([, value]) => value === before) ? before : options[0][1];
  };

  const prepare = () => {
    const part = (label, prefix, entries, has) => {
      const group = document.createElement("optgroup");
      group.label = label;
      entries.forEach(([, text], index) => { if (has(index)) group.append(option(text, prefix + index)); });
      return group;
    };
    controls.quantity.replaceChildren(
      ...[
        part("Curves over epochs", "c", data.curves, (index) => runs.some((run) => run.curves.has(index))),
        part("Histograms", "h", data.histograms, (index) => runs.some((run) => run.histograms.has(index))),
      ].filter((group) => group.children.length));
    fill(controls.x, [["linear", "linear"], ["logarithmic", "log"]]);
    fill(controls.y, [["linear", "linear"], ["logarithmic", "log"]]);
    fill(controls.seeds, [["mean, range", "mean"], ["each", "each"]]);
    fill(controls.cells, [["best of each", "best"], ["all", "all"]]);
    fill(controls.color, [["what fits best", "auto"], ...cellFacets.map((index) => [facets[index].label, String(index)])]);
    if (!cellFacets.some(isOfCell)) controls.cells.value = "all";
  };

  // The layers and the times that some run has of this quantity.
  const offerMeasurements = () => {
    const hidden = isCurve();
    for (const name of ["group", "when"]) controls[name].closest("label").hidden = hidden;
    controls.x.closest("label").hidden = !hidden;
    if (hidden) return;
    const of = runs.map((run) => run.histograms.get(quantity())).filter(Boolean);
    const groups = [...new Set(of.flatMap((histogram) => histogram.groups))];
    const times = [...new Set(of.flatMap((histogram) => histogram.when))].sort((a, b) => a - b);
    fill(controls.group, [["whole network", "network"], ...groups.map((group) => [group, group])]);
    // Of layer groups, only the last measurement is in the page.
    const isWhole = controls.group.value === "network";
    fill(controls.when, [["the last", "last"], ...(isWhole ? times.map((time) => [String(time), String(time)]) : [])]);
  };

  const offerFacets = () => {
    facetsBox.replaceChildren(...offers.map((offer) => {
      const set = document.createElement("fieldset");
      const legend = document.createElement("legend");
      legend.textContent = offer.label;
      const chips = document.createElement("div");
      chips.className = "chips";
      offer.inputs = offer.values.map((text, value) => {
        const label = document.createElement("label");
        const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: offer.chosen.has(value) });
        const words = document.createElement("span");
        words.textContent = text;
        label.append(input, words);
        chips.append(label);
        input.addEventListener("change", () => {
          offer.chosen[input.checked ? "add" : "delete"](value);
          update();
        });
        return input;
      });
      set.append(legend, chips);
      offer.set = set;
      return set;
    }));
  };

  // What no run has, given what else is chosen, is not offered; nor is a row that leaves no choice.
  const narrowFacets = () => {
    for (const offer of offers) {
      const there = new Set(runs.filter((run) => passes(run, offer)).flatMap((run) => offer.of(run)));
      for (const value of offer.chosen) there.add(value);
      offer.inputs.forEach((input, value) => { input.parentElement.hidden = !there.has(value); });
      offer.set.hidden = there.size < 2 && !offer.chosen.size;
    }
  };

  // ---- Lines ----

  const grouped = (items, key) => {
    const found = new Map();
    for (const item of items) {
      const name = key(item);
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(item);
    }
    return [...found.values()];
  };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const cellError = (cell) => mean(cell.map((run) => run.error));

  const bestCells = (cells) => {
    const rest = cellFacets.filter((index) => !isOfCell(index));
    return grouped(cells, (cell) => rest.map((index) => cell[0].at[index]).join()).map((group) => {
      // Errors on other images cannot be compared with those on held-out ones.
      const judged = group.some((cell) => cell[0].heldOut) ? group.filter((cell) => cell[0].heldOut) : group;
      return judged.reduce((best, cell) => (cellError(cell) < cellError(best) ? cell : best));
    });
  };

  const seriesOf = (run) =>
    isCurve() ? curveOf(run, quantity()) : histogramOf(run, quantity(), controls.group.value, controls.when.value);

  // The mean over runs, where all of them have a value, with the least and the greatest.
  const averaged = (all) => {
    const same = isCurve() ? all : all.filter((series) => series.first === all[0].first && series.xs.length === all[0].xs.length);
    const at = same.map((series) => new Map(series.xs.map((x, index) => [x, series.ys[index]])));
    const xs = same[0].xs.filter((x) => at.every((values) => values.has(x)));
    const columns = xs.map((x) => at.map((values) => values.get(x)));
    return {
      xs, ys: columns.map(mean), low: columns.map((ys) => Math.min(...ys)), high: columns.map((ys) => Math.max(...ys)),
      first: same[0].first, notFinite: isCurve() ? 0 : mean(same.map((series) => series.notFinite)), count: same.length,
    };
  };

  const lineOf = (members) => {
    const having = members.map((run) => [run, seriesOf(run)]).filter(([, series]) => series && series.xs.length);
    const completed = having.filter(([run]) => run.diverged === null);
    const used = completed.length ? completed : having;
    if (!used.length) return null;
    const line = averaged(used.map(([, series]) => series));
    if (!line.xs.length) return null;
    const diverged = members.filter((run) => run.diverged !== null).length;
    return { ...line, run: members[0], error: cellError(members), diverged, cut: !completed.length, hidden: false };
  };

  const ramp = (share) => {
    const scaled = share * (RAMP.length - 1);
    const from = Math.min(Math.floor(scaled), RAMP.length - 2);
    const mixed = RAMP[from].map((value, index) => Math.round(value + (scaled - from) * (RAMP[from + 1][index] - value)));
    return `rgb(${mixed.join(" ")})`;
  };

  let lines = [];
  let hiddenLabels = new Set();
  let cursor = { x: null, line: null };

  const styleLines = (varying) => {
    const asked = controls.color.value;
    const optimizer = varying.find((index) => facets[index].colors);
    const colored = asked === "auto" ? optimizer ?? varying[0] : Number(asked);
    const others = varying.filter((index) => index !== colored && index !== seedFacet);
    const present = (index) => [...new Set(lines.map((line) => line.run.at[index]))].sort((a, b) => a - b);
    const dashed = others.find((index) => present(index).length <= DASHES.length);
    for (const line of lines) {
      const at = line.run.at;
      line.dash = "";
      line.color = WORDS[0];
      if (colored !== undefined) {
        const facet = facets[colored];
        const values = present(colored);
        const place = values.indexOf(at[colored]);
        if (facet.colors) {
          line.color = facet.colors[at[colored]];
          line.dash = facet.dashes[at[colored]];
        } else line.color = facet.ordered || values.length > WORDS.length ? ramp(place / Math.max(values.length - 1, 1)) : WORDS[place];
      }
      if (dashed !== undefined) line.dash = DASHES[present(dashed).indexOf(at[dashed])];
    }
  };

  // Of what varies, as much as it takes to tell the lines apart: the data, say, also decides the resolution.
  const distinguishing = (varying) => {
    const isAlwaysNamed = (index) => isOfCell(index) || facets[index].colors || facets[index].key === "model.depth";
    const kinds = (indices) => new Set(lines.map((line) => indices.map((index) => line.run.at[index]).join())).size;
    const kept = varying.filter(isAlwaysNamed);
    for (const index of varying) if (!kept.includes(index) && kinds([...kept, index]) > kinds(kept)) kept.push(index);
    return varying.filter((index) => kept.includes(index));
  };

  const collect = () => {
    const chosen = runs.filter((run) => passes(run));
    let cells = grouped(chosen, (run) => cellFacets.map((index) => run.at[index]).join());
    if (controls.cells.value === "best") cells = bestCells(cells);
    const each = controls.seeds.value === "each";
    const members = each ? cells.flatMap((cell) => cell.map((run) => [run])) : cells;
    let made = members.map(lineOf).filter(Boolean);
    const all = made.length;
    // The best of too many, then in the facets' order.
    if (all > MOST_LINES) made = made.sort((a, b) => a.error - b.error).slice(0, MOST_LINES);
    const compare = (a, b) => { for (const index in facets) if (a.run.at[index] !== b.run.at[index]) return a.run.at[index] - b.run.at[index]; return 0; };
    lines = made.sort(compare);
    const named = each && seedFacet >= 0 ? [...cellFacets, seedFacet] : cellFacets;
    const varying = named.filter((index) => lines.some((line) => line.run.at[index] !== lines[0].run.at[index]));
    const naming = distinguishing(varying);
    for (const line of lines) {
      line.label = naming.map((index) => word(index, line.run.at[index])).join(", ") || "all that is chosen";
      line.hidden = hiddenLabels.has(line.label);
    }
    styleLines(varying);
    const fixed = named.filter((index) => lines.length && !varying.includes(index));
    const same = [...Object.entries(data.same).map(([label, value]) => `${label} ${value}`), ...fixed.map((index) => word(index, lines[0].run.at[index], true))];
    const unnamed = varying.filter((index) => !naming.includes(index)).map((index) => facets[index].label);
    const along = unnamed.length ? ` Differing along with what is named: ${unnamed.join(", ")}.` : "";
    sameBox.textContent = lines.length ? `The same in all lines: ${same.join("; ")}.${along}` : "";
    const few = all > lines.length ? `; of these, the ${lines.length} with the lowest error are drawn: choose fewer` : "";
    const by = chosen.some((run) => run.heldOut) ? "validation" : "test";
    const best = controls.cells.value === "best" ? `, each at the step size and decay with the lowest ${by} error` : "";
    shown.textContent = `${chosen.length} of ${runs.length} results chosen: ${all} ${all === 1 ? "line" : "lines"}${best}${few}`;
  };

  const word = (index, value, always = false) => {
    const { key, label, values } = facets[index];
    return key === "optimizer" && !always ? values[value] : `${label} ${values[value]}`;
  };

  // ---- Scales ----

  const linearTicks = (low, high, count) => {
    const raw = (high - low) / Math.max(count, 1) || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
    const ticks = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index++) ticks.push(index * step);
    return ticks;
  };
  const logTicks = (low, high, count) => {
    const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const decades = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    const stride = Math.ceil(decades.length / (count + 1));
    const inside = (tick) => tick >= low * 0.999 && tick <= high * 1.001;
    if (stride > 1) return decades.filter((decade) => decade % stride === 0).map((decade) => 10 ** decade).filter(inside);
    for (const factors of [[1], [1, 3], [1, 2, 5]]) {
      const ticks = decades.flatMap((decade) => factors.map((factor) => factor * 10 ** decade)).filter(inside);
      if (ticks.length >= 3) return ticks;
    }
    return linearTicks(low, high, count).filter((tick) => tick > 0);
  };
  const scale = (low, high, log, from, to, count) => {
    const map = log ? Math.log10 : (value) => value;
    const [a, b] = [map(low), map(high)];
    const place = (value) => from + ((map(value) - a) / (b - a || 1)) * (to - from);
    return { place, ticks: log ? logTicks(low, high, count) : linearTicks(low, high, count), low, high };
  };
  // Three digits, as short as they can be written.
  const written = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(Number(value.toPrecision(3)));
  };
  const unit = () => (isCurve() && !data.curves[quantity()][0].endsWith("_error") ? "" : " %");
  // Errors to a hundredth of a point, the rest to three digits.
  const amount = (value) => (isCurve() && unit() ? `${value.toFixed(2)} %` : `${digits(value)}${unit()}`);
  const digits = (value) => (value >= 0.001 && value < 1000 ? value.toPrecision(3) : written(value));
  const power = (exponent) => `2${String(exponent).replace(/./g, (letter) => (letter === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[letter]))}`;
  // Where a tip would cover the chart, the line below it has to do.
  const isNarrow = () => chart.clientWidth < 600;
  const placeWords = (x) => {
    if (isCurve()) return `epoch ${x}`;
    const { first, xs } = lines.find((line) => line.xs.includes(x)) ?? lines[0];
    if (x < first) return quantityName() === "effective_decay" ? `at or below ${power(first)}` : "at or below 1e-8";
    return x === xs.at(-1) ? `${power(x)} and above` : `${power(x)} to ${power(x + 1)}`;
  };
  const quantityName = () => data.histograms[quantity()][0];

  // ---- The drawing ----

  const node = (tag, attributes, text) => {
    const made = document.createElementNS(chart.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  let placed = null; // The scales, and the x of every line in their order.
  let over = null; // The cursor's marks, drawn above all.

  // Points joined; an outline of a histogram has a level per bin, and what is tiny stands apart.
  const path = (xs, ys, { x, y }, floor) => {
    const parts = [];
    let open = false;
    xs.forEach((at, index) => {
      const height = ys[index];
      if (height <= 0 && floor === null) { open = false; return; }
      const top = y.place(Math.max(height, y.low)).toFixed(1);
      if (isCurve()) parts.push(`${open ? "L" : "M"}${x.place(at).toFixed(1)} ${top}`);
      else {
        const apart = index === 0;
        const [left, right] = apart ? [at - 1, at + 1] : [at, at + 1];
        if (apart || index === 1) parts.push(`M${x.place(left).toFixed(1)} ${floor}`);
        parts.push(`L${x.place(left).toFixed(1)} ${top}L${x.place(right).toFixed(1)} ${top}`);
        if (apart || index === xs.length - 1) parts.push(`L${x.place(right).toFixed(1)} ${floor}`);
      }
      open = true;
    });
    return parts.join("");
  };

  const band = (line, { x, y }) => {
    const at = line.xs.map((_, index) => index).filter((index) => line.low[index] > 0 || controls.y.value === "linear");
    const up = at.map((index) => `${x.place(line.xs[index]).toFixed(1)} ${y.place(line.high[index]).toFixed(1)}`);
    const down = at.map((index) => `${x.place(line.xs[index]).toFixed(1)} ${y.place(line.low[index]).toFixed(1)}`).reverse();
    return at.length > 1 ? `M${[...up, ...down].join("L")}Z` : "";
  };

  // The bins between which coordinates are, with one more to either side; the one of what is tiny is always drawn.
  const occupied = (visible, least) => {
    const { first, xs } = visible[0];
    const found = visible.flatMap((line) => line.xs.filter((x, index) => x >= line.first && line.ys[index] > least));
    const [low, high] = found.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
    return found.length ? [Math.max(low - 1, first), Math.min(high + 1, xs.at(-1))] : [first, xs.at(-1)];
  };

  const draw = () => {
    const width = Math.max(chart.clientWidth, 240);
    const height = width < 600 ? 300 : 400;
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.setAttribute("height", height);
    chart.replaceChildren();
    placed = over = null;
    const visible = lines.filter((line) => !line.hidden);
    const log = controls.y.value === "log";
    const values = visible.flatMap((line) => [...line.low, ...line.high]).filter((value) => !log || value > 0);
    if (!values.length) {
      const why = lines.length ? "Nothing to draw: all lines are hidden, or zero on a logarithmic axis." : "No result of these runs.";
      chart.append(node("text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "axis-label" }, why));
      return;
    }
    let [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    // Shares below a millionth are single coordinates, and would stretch the axis.
    if (!isCurve()) low = log ? Math.max(low, 1e-4) : 0;
    if (log) [low, high] = [low / 1.1, Math.max(high * 1.1, low * 1.3)];
    else {
      const pad = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
      [low, high] = [isCurve() ? Math.max(low - pad, Math.min(low, 0)) : 0, high + pad];
    }
    const box = { left: 62, right: width - 14, top: 14, bottom: height - 46 };
    const y = scale(low, high, log, box.bottom, box.top, 6);
    const first = isCurve() ? null : visible[0].first;
    const [from, to] = isCurve() ? [-Infinity, Infinity] : occupied(visible, log ? low : 0.01);
    const isShown = (x) => (!isCurve() && x < first) || (x >= from && x <= to);
    const xs = [...new Set(visible.flatMap((line) => line.xs))].filter(isShown).sort((a, b) => a - b);
    const logX = isCurve() && controls.x.value === "log";
    const x = isCurve()
      ? scale(xs[0], Math.max(xs.at(-1), xs[0] + 1), logX, box.left, box.right, Math.floor(width / 90))
      : scale(from - 6, to + 1.5, false, box.left, box.right, Math.floor(width / 60));
    // What is tiny stands as far to the left of the first bin that is drawn as of the first that there is.
    const { place } = x;
    if (!isCurve()) x.place = (at) => place(at < first ? at + from - first : at);
    const scales = { x, y };

    for (const tick of y.ticks) {
      const at = y.place(tick);
      chart.append(node("line", { x1: box.left, x2: box.right, y1: at, y2: at, class: "grid" }));
      chart.append(node("text", { x: box.left - 7, y: at + 4, "text-anchor": "end", class: "tick" }, written(tick)));
    }
    const tiny = isCurve() ? -Infinity : x.place(first - 4.5);
    const xTicks = x.ticks.filter((tick) => Number.isInteger(tick) && (isCurve() || (tick >= from && x.place(tick) > tiny + 34)));
    for (const tick of xTicks) {
      const at = x.place(tick);
      chart.append(node("line", { x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4, class: "axis" }));
      chart.append(node("text", { x: at, y: box.bottom + 18, "text-anchor": "middle", class: "tick" }, String(tick).replace("-", "\u2212")));
    }
    if (!isCurve()) {
      const text = quantityName() === "effective_decay" ? `\u2264${power(first)}` : "\u22641e\u22128";
      chart.append(node("text", { x: tiny, y: box.bottom + 18, "text-anchor": "middle", class: "tick" }, text));
    }
    chart.append(node("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, class: "axis" }));
    const xName = isCurve() ? "epoch" : `log\u2082(${data.histograms[quantity()][2]})`;
    const yName = isCurve() ? `${data.curves[quantity()][1].toLowerCase()} (${unit().trim() || "nats"})` : "share of coordinates (%)";
    chart.append(node("text", { x: (box.left + box.right) / 2, y: height - 8, "text-anchor": "middle", class: "axis-label" }, xName));
    chart.append(node("text", { x: -(box.top + box.bottom) / 2, y: 13, transform: "rotate(-90)", "text-anchor": "middle", class: "axis-label" }, yName));

    if (isCurve()) {
      for (const line of visible) {
        line.band = line.count > 1 ? chart.appendChild(node("path", { d: band(line, scales), fill: line.color, class: "band" })) : null;
      }
    }
    const floor = isCurve() ? null : box.bottom;
    for (const line of visible) {
      const drawn = line.xs.map((_, index) => index).filter((index) => isShown(line.xs[index]));
      const points = [line.xs, line.ys].map((values) => drawn.map((index) => values[index]));
      line.path = node("path", { d: path(...points, scales, floor), stroke: line.color, "stroke-dasharray": line.dash, class: "line" });
      chart.append(line.path);
      const last = line.ys.at(-1);
      if (line.xs.length === 1 && isCurve() && !line.cut && !(log && last <= 0)) {
        chart.append(node("circle", { cx: x.place(line.xs[0]), cy: y.place(last), r: 3, fill: line.color }));
      }
      if (line.cut && isCurve() && !(log && last <= 0)) {
        const [cx, cy] = [x.place(line.xs.at(-1)), y.place(last)];
        chart.append(node("path", { d: `M${cx - 4} ${cy - 4}l8 8m0 -8l-8 8`, stroke: line.color, class: "cross" }));
      }
    }
    over = chart.appendChild(node("g", {}));
    placed = { x, y, xs, box, visible, width, height };
    if (cursor.x !== null && !xs.includes(cursor.x)) cursor.x = null;
    if (!visible.includes(cursor.line)) cursor.line = null;
    point();
  };

  // ---- The cursor ----

  const valueAt = (line, x) => { const index = line.xs.indexOf(x); return index < 0 ? null : line.ys[index]; };
  const middle = (x) => (isCurve() || x < lines[0].first ? x : x + 0.5);

  const point = () => {
    for (const line of lines) {
      line.path?.classList.toggle("faint", cursor.line !== null && cursor.line !== line);
      // Shades of many lines would cover each other.
      const isShaded = cursor.line === null ? lines.length <= MOST_SHADES : cursor.line === line;
      line.band?.classList.toggle("off", !isShaded);
    }
    tip.hidden = true;
    reading.textContent = "";
    if (!placed) return writeValues();
    over.replaceChildren();
    const { x, y, box } = placed;
    if (cursor.x !== null) {
      const at = x.place(middle(cursor.x));
      over.append(node("line", { x1: at, x2: at, y1: box.top, y2: box.bottom, class: "cursor" }));
      const value = cursor.line && valueAt(cursor.line, cursor.x);
      if (cursor.line && value !== null) {
        const height = controls.y.value === "log" && value <= 0 ? box.bottom : Math.min(y.place(Math.max(value, y.low)), box.bottom);
        over.append(node("circle", { cx: at, cy: height, r: 4, fill: cursor.line.color }));
        const index = cursor.line.xs.indexOf(cursor.x);
        const range = cursor.line.count > 1 ? ` (${amount(cursor.line.low[index])} to ${amount(cursor.line.high[index])} over ${cursor.line.count} seeds)` : "";
        const text = `${cursor.line.label}: ${amount(value)} at ${placeWords(cursor.x)}${range}`;
        tip.textContent = text;
        tip.hidden = isNarrow();
        const share = chart.clientWidth / placed.width;
        const most = chart.clientWidth - tip.offsetWidth - 4;
        tip.style.left = `${Math.max(4, Math.min(at * share + 12, most))}px`;
        tip.style.top = `${height * share > 90 ? Math.max(0, height * share - tip.offsetHeight - 12) : height * share + 14}px`;
        reading.textContent = text;
      }
    }
    writeValues();
  };

  // The nearest place that some line has, and there the nearest line.
  const follow = (event) => {
    if (!placed) return;
    const bounds = chart.getBoundingClientRect();
    const [px, py] = [((event.clientX - bounds.left) * placed.width) / bounds.width, ((event.clientY - bounds.top) * placed.height) / bounds.height];
    const nearest = (items, distance) => items.reduce((best, item) => (distance(item) < distance(best) ? item : best));
    const { x, y, xs, visible } = placed;
    cursor.x = nearest(xs, (at) => Math.abs(x.place(middle(at)) - px));
    const there = visible.filter((line) => valueAt(line, cursor.x) !== null);
    cursor.line = there.length ? nearest(there, (line) => Math.abs(y.place(Math.max(valueAt(line, cursor.x), y.low)) - py)) : null;
    point();
  };
  const leave = () => { cursor = { x: null, line: null }; point(); };

  frame.addEventListener("pointermove", follow);
  frame.addEventListener("pointerdown", follow);
  frame.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") leave(); });
  frame.addEventListener("blur", leave);
  frame.addEventListener("keydown", (event) => {
    if (!placed) return;
    const { xs, visible } = placed;
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -xs.length, End: xs.length }[event.key];
    const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") return leave();
    if (step === undefined && turn === undefined) return;
    event.preventDefault();
    const at = cursor.x === null ? (step < 0 ? xs.length : -1) : xs.indexOf(cursor.x);
    if (turn === undefined || cursor.x === null) cursor.x = turn === undefined ? xs[Math.max(0, Math.min(xs.length - 1, at + step))] : xs.at(-1);
    if (turn !== undefined) cursor.line = visible[(visible.indexOf(cursor.line) + turn + visible.length + (cursor.line ? 0 : turn < 0 ? 1 : 0)) % visible.length];
    cursor.line ??= visible[0];
    point();
  });

  // ---- The table of lines, which is the legend ----

  const writeTable = () => {
    const cell = (text, className = "") => Object.assign(document.createElement("td"), { textContent: text, className });
    const someDiverged = lines.some((line) => line.diverged);
    const heads = ["Line (press to hide)", "Runs", ...(someDiverged ? ["Diverged"] : []), ""].map((text, index) =>
      Object.assign(document.createElement("th"), { textContent: text, scope: "col", className: index ? "number" : "" }));
    table.parentElement.hidden = !lines.length;
    table.tHead.replaceChildren(document.createElement("tr"));
    table.tHead.rows[0].append(...heads);
    table.tBodies[0].replaceChildren(...lines.map((line) => {
      const row = document.createElement("tr");
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.setAttribute("aria-pressed", String(!line.hidden));
      const swatch = node("svg", { width: 34, height: 10, "aria-hidden": "true" });
      swatch.append(node("path", { d: "M1 5H33", stroke: line.color, "stroke-dasharray": line.dash, class: "line" }));
      const words = document.createElement("span");
      words.textContent = line.label;
      button.append(swatch, words);
      button.addEventListener("click", () => {
        line.hidden = !line.hidden;
        hiddenLabels[line.hidden ? "add" : "delete"](line.label);
        button.setAttribute("aria-pressed", String(!line.hidden));
        draw();
      });
      const show = () => { cursor.line = line.hidden ? null : line; point(); };
      row.addEventListener("pointerenter", show);
      row.addEventListener("pointerleave", leave);
      button.addEventListener("focus", show);
      button.addEventListener("blur", leave);
      const first = document.createElement("td");
      first.append(button);
      line.cell = cell("", "number");
      row.append(first, cell(String(line.count), "number"), ...(someDiverged ? [cell(line.diverged ? String(line.diverged) : "", "number")] : []), line.cell);
      return row;
    }));
  };

  // The values at the cursor, else those at the end; of a histogram, where most is.
  const writeValues = () => {
    const head = [...(table.tHead.rows[0]?.cells ?? [])].at(-1);
    if (!head) return;
    head.textContent = cursor.x === null ? (isCurve() ? "At the end" : "Highest bin") : `At ${placeWords(cursor.x)}`;
    for (const line of lines) {
      let value = cursor.x === null ? line.ys.at(-1) : valueAt(line, cursor.x);
      if (cursor.x === null && !isCurve()) value = Math.max(...line.ys);
      const lost = line.notFinite > 0 ? `, ${written(line.notFinite)} % not finite` : "";
      line.cell.textContent = value === null ? "" : `${amount(value)}${lost}`;
    }
  };

  // ---- All together ----

  const update = () => {
    cursor = { x: null, line: null };
    collect();
    narrowFacets();
    writeTable();
    draw();
  };

  const defaultHeights = () => { controls.y.value = isCurve() && !unit() ? "log" : "linear"; };

  form.addEventListener("input", (event) => {
    if (event.target === controls.quantity) defaultHeights();
    offerMeasurements();
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  prepare();
  // Begin with the first experiment that compares optimizers, or else anything: a whole store in one chart says nothing.
  const differ = (place, keys) => {
    const its = runs.filter((run) => run.experiments.includes(place));
    return new Set(its.map((run) => keys.map((index) => run.at[index]).join())).size > 1;
  };
  const methods = cellFacets.filter((index) => facets[index].colors);
  const first = [methods, cellFacets].map((keys) => data.experiments.findIndex((_, place) => differ(place, keys))).find((place) => place >= 0);
  if (offers[0]?.label === "Experiment" && first !== undefined) offers[0].chosen.add(first);
  offerFacets();
  offerMeasurements();
  defaultHeights();
  needs.hidden = true;
  root.hidden = false;
  update();
  root.dataset.ready = "";
  let width = frame.clientWidth;
  new ResizeObserver(() => {
    if (frame.clientWidth !== width) { width = frame.clientWidth; draw(); }
  }).observe(frame);
})();
