"use strict";
// Without this script both photos stand side by side; with it, one lies over the other under a slider.
const made = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

document.querySelectorAll(".card").forEach((card) => {
  const pictures = card.querySelector(".pictures");
  if (!pictures) return;
  const [before, after] = [".before", ".after"].map((role) => pictures.querySelector(role));
  const frame = after.querySelector(".frame");
  const top = before.querySelector("img");
  top.classList.add("top");
  const slider = made("input", { type: "range", min: 0, max: 100, value: 50 });
  slider.setAttribute("aria-label", "before on the left, after on the right");
  frame.append(top, frame.querySelector(".outline"), made("div", { className: "line" }), slider);
  const cut = () => {
    frame.style.setProperty("--cut", slider.value + "%");
    slider.setAttribute("aria-valuetext", `${slider.value} % before`);
  };
  slider.addEventListener("input", cut);
  cut();
  const outlined = made("input", { type: "checkbox", checked: true });
  outlined.addEventListener("change", () => frame.classList.toggle("no-outline", !outlined.checked));
  after.querySelector("figcaption").replaceWith(made("div", { className: "tools" },
    made("span", { textContent: "\u2190 before" }),
    made("label", {}, outlined, " outline of the mask"),
    made("span", { textContent: "after \u2192" })));
  after.classList.add("slider");
  before.remove();
  pictures.classList.add("with-slider");
});
