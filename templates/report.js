"use strict";
// Without this script the page shows every picture beside its map; with it, two of them under a slider.
const made = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const choice = (label, names, chosen, onChange) => {
  const select = made("select", {}, ...names.map((name, index) => made("option", { value: index, textContent: name })));
  select.value = chosen;
  select.addEventListener("change", () => onChange(Number(select.value)));
  return made("label", { textContent: label + " " }, select);
};

const addViewer = (card) => {
  const pictures = card.querySelector(".pictures");
  const figures = [...pictures.querySelectorAll("figure")];
  const names = figures.map((figure) => figure.dataset.name);
  const [left, right] = [made("img", { className: "before" }), made("img")];
  const slider = made("input", { type: "range", min: 0, max: 100, value: card.dataset.cut });
  const compare = made("div", { className: "frame compare" }, right, left);
  const outline = figures[0].querySelector(".outline");
  if (outline) compare.append(outline.cloneNode(true));
  compare.append(made("div", { className: "line" }), slider);
  const [leftName, rightName, mapName] = [made("span"), made("span"), made("span")];
  const map = made("div", { className: "frame heat" });

  // Before is the first column, after the judged one; of a single column, the truth.
  const judged = figures.findIndex((figure) => "judged" in figure.dataset);
  const shown = { left: 1, right: judged > 1 ? judged : 0 };
  const show = () => {
    const [before, after] = [figures[shown.left], figures[shown.right]].map((figure) => figure.querySelector("img"));
    Object.assign(left, { src: before.src, alt: before.alt, width: before.width, height: before.height });
    Object.assign(right, { src: after.src, alt: after.alt, width: after.width, height: after.height });
    for (const [node, figure] of [[leftName, figures[shown.left]], [rightName, figures[shown.right]]]) {
      node.textContent = figure.querySelector("figcaption").textContent;
    }
    slider.setAttribute("aria-label", `${names[shown.left]} on the left, ${names[shown.right]} on the right`);
    // The truth has no map: the other one's is shown.
    const mapped = shown.right ? shown.right : shown.left;
    const heat = figures[mapped].querySelector(".heat");
    map.replaceChildren(...(heat ? [...heat.childNodes].map((node) => node.cloneNode(true)) : []));
    mapName.textContent = heat ? `where ${names[mapped]} differs from the truth` : "";
  };
  const cut = () => {
    compare.style.setProperty("--cut", slider.value + "%");
    slider.setAttribute("aria-valuetext", `${slider.value} % ${names[shown.left]}`);
  };
  slider.addEventListener("input", cut);
  const change = (side) => (index) => { shown[side] = index; show(); cut(); };
  const tools = made("div", { className: "tools" },
    choice("Left", names, shown.left, change("left")), choice("Right", names, shown.right, change("right")));
  const viewer = made("div", { className: "viewer" },
    made("div", {}, compare, made("div", { className: "caption" }, leftName, rightName)),
    made("div", {}, map, made("div", { className: "caption" }, mapName)));
  const all = made("details", { className: "all" }, made("summary", { textContent: "All pictures and maps" }));
  pictures.before(tools, viewer);
  card.append(all);
  all.append(pictures);
  show();
  cut();
};

document.querySelectorAll(".card").forEach(addViewer);
// A closed <details> prints closed in some browsers.
addEventListener("beforeprint", () => document.querySelectorAll(".all").forEach((all) => { all.open = true; }));
addEventListener("afterprint", () => document.querySelectorAll(".all").forEach((all) => { all.open = false; }));
