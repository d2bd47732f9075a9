// Draws the page's figures in the colours of its theme, and lets a reader choose, save and walk through them.
"use strict";
(() => {
  const drawings = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const themeButton = document.getElementById("theme");
  const darkPreferred = matchMedia("(prefers-color-scheme: dark)");
  const STORED = "eplb_opt-theme";
  const TOKEN = /^var\((--[\w-]+)\)$/;
  const PRINTED_WIDTH = 680;
  const NARROW = 640;
  const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false };

  const AXIS = { gridcolor: "var(--line)", linecolor: "var(--line)", zerolinecolor: "var(--line)", automargin: true,
    title: { standoff: 8 } };
  const LOOK = {
    paper_bgcolor: "var(--surface)",
    plot_bgcolor: "var(--surface)",
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: "var(--text)" },
    margin: { l: 56, r: 12, t: 12, b: 44 },
    hoverlabel: { align: "left", bgcolor: "var(--page)", bordercolor: "var(--line)", font: { color: "var(--text)" } },
    legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom" },
    xaxis: AXIS,
    yaxis: AXIS,
    coloraxis: { colorbar: { outlinewidth: 0, thickness: 12 } },
  };

  const NARROW_LOOK = { margin: { l: 40, r: 6, t: 12, b: 40 } };

  /** A value in which colours of the style sheet, and lists that plots share, stand for their names. */
  function filled(value, style, shared) {
    if (typeof value === "string") {
      const token = TOKEN.exec(value);
      return token ? style.getPropertyValue(token[1]).trim() : value;
    }
    if (value === null || typeof value !== "object") return value;
    if (value.shared !== undefined) return shared[value.shared];
    if (Array.isArray(value)) return value.map((item) => filled(item, style, shared));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, style, shared)]));
  }

  /** Draw a figure in a width: that of the page, or of a sheet of paper. */
  function draw(figure, width = undefined) {
    const { plots, shared } = drawings[figure.dataset.figure];
    const select = figure.querySelector("select");
    const plot = plots[select ? select.value : Object.keys(plots)[0]];
    const style = getComputedStyle(root);
    const div = figure.querySelector(".plot");
    const isNarrow = (width ?? div.clientWidth) < NARROW;
    const chosen = (isNarrow && plot.narrow) || plot.layout;
    const look = isNarrow ? { ...LOOK, ...NARROW_LOOK } : LOOK;
    const layout = { ...filled(chosen, style, shared), width, template: { layout: filled(look, style) } };
    div.cursor = null;
    div.isNarrow = isNarrow;
    return Plotly.react(div, filled(plot.data, style, shared), layout, CONFIG);
  }

  const figures = [...document.querySelectorAll("figure")];
  const drawAll = (width) => Promise.all(figures.map((figure) => draw(figure, width)));

  // The theme: what the reader chose, else what the system prefers.
  function stored() {
    try { return localStorage.getItem(STORED); } catch { return null; }
  }
  function show(theme) {
    root.dataset.theme = theme;
    themeButton.textContent = theme === "dark" ? "Light" : "Dark";
    themeButton.setAttribute("aria-label", `Switch to ${themeButton.textContent.toLowerCase()} colours`);
    themeButton.setAttribute("aria-pressed", String(theme === "dark"));
  }
  const usual = () => stored() ?? (darkPreferred.matches ? "dark" : "light");
  themeButton.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem(STORED, theme); } catch { /* a page from disk may not store */ }
    show(theme);
    drawAll();
  });
  darkPreferred.addEventListener("change", () => { show(usual()); drawAll(); });

  // Pictures of a figure as it is shown.
  function save(figure, format) {
    const div = figure.querySelector(".plot");
    const size = { width: div.clientWidth, height: div.clientHeight };
    return Plotly.downloadImage(div, { format, ...size, scale: 2, filename: `eplb_opt-${figure.dataset.figure}` });
  }

  // Walking through points with the keyboard.
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
  const clamp = (value, length) => Math.min(Math.max(value, 0), length - 1);
  function walk(figure, event) {
    const div = figure.querySelector(".plot");
    const curves = div.data.map((trace, number) => ({ trace, number })).filter(({ trace }) => trace.hoverinfo !== "skip");
    const leap = { PageUp: -1, PageDown: 1 }[event.key] ?? 0;
    const step = STEPS[event.key];
    if (!curves.length || (!leap && !step)) return;
    event.preventDefault();
    const cursor = div.cursor ?? { curve: 0, row: 0, column: -1 };
    cursor.curve = clamp(cursor.curve + leap, curves.length);
    const { trace, number } = curves[cursor.curve];
    const rows = trace.z;
    const [start, end] = div.layout.yaxis.range;
    const down = start > end ? -1 : 1;
    cursor.row = rows ? clamp(cursor.row + (step ? step[0] * down : 0), rows.length) : 0;
    const length = rows ? rows[0].length : (trace.x ?? trace.y).length;
    cursor.column = clamp(cursor.column + (step ? step[1] : 0), length);
    div.cursor = cursor;
    const subplot = (trace.xaxis ?? "x") + (trace.yaxis ?? "y");
    const point = rows
      ? { xval: cursor.column, yval: cursor.row }
      : [{ curveNumber: number, pointNumber: cursor.column }];
    Plotly.Fx.hover(div, point, subplot);
  }

  /** Say to screen readers what the keyboard points at. */
  function listen(figure) {
    const div = figure.querySelector(".plot");
    const said = div.querySelector(".hoverlayer");
    const say = () => {
      const isWalked = document.activeElement === div && said.textContent;
      if (isWalked) figure.querySelector("output").textContent = said.textContent;
    };
    new MutationObserver(say).observe(said, { childList: true, subtree: true });
  }

  // On paper: light, and as wide as a sheet.
  addEventListener("beforeprint", () => { show("light"); drawAll(PRINTED_WIDTH); });
  addEventListener("afterprint", () => { show(usual()); drawAll(); });

  // A figure that has become narrow, or wide, may have another layout.
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const hasChanged = target.isNarrow !== undefined && target.isNarrow !== (target.clientWidth < NARROW);
      if (hasChanged && !target.layout.width) draw(target.closest("figure"));
    }
  });

  for (const figure of figures) {
    figure.querySelector("select")?.addEventListener("change", () => draw(figure));
    for (const button of figure.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => save(figure, button.dataset.save));
    }
    figure.querySelector(".plot").addEventListener("keydown", (event) => walk(figure, event));
    watch.observe(figure.querySelector(".plot"));
  }
  show(usual());
  drawAll().then(() => {
    figures.forEach(listen);
    root.dataset.drawn = "yes";
  });
})();
