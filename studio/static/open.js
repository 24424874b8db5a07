import { attempt, get, made, say, send, showCommand } from "./base.js";

const $ = (selector) => document.querySelector(selector);
const fields = ["source", "out", "still_life", "on_model"].map((id) => $(`#${id}`));
const wishes = () => Object.fromEntries(fields.map((field) => [field.id, field.value]));
const POLL_MS = 700;
let number = 0;
let photos = 0;

async function preview() {
  const mine = ++number;
  $("#summary").textContent = "Looking …";
  let found;
  try {
    found = await send("/open/preview", wishes());
  } catch (error) {
    if (mine === number) {
      $("#summary").textContent = error.message;
      $("#start").disabled = true;
    }
    return;
  }
  if (mine !== number) return;
  photos = found.photos;
  $("#start").disabled = photos === 0;
  const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const unpaired = `${counted(found.leftovers, "file")} without a pair`;
  $("#summary").textContent = `${counted(photos, "photo")} of ${counted(found.garments, "garment")}${found.leftovers ? `; ${unpaired}` : ""}`;
  showCommand(found.command);
  $("#pairs").hidden = photos === 0;
  $("#pairs tbody").replaceChildren(...found.pairs.map((row) => made("tr", {}, ...row.map((textContent) => made("td", { textContent })))));
  $("#findings").replaceChildren(...found.findings.map((textContent) => made("p", { textContent })));
  $("#leftover").hidden = found.leftovers === 0;
  $("#leftover summary").textContent = unpaired;
  $("#leftover ul").replaceChildren(...found.leftover.map((textContent) => made("li", { textContent })));
}

let timer = 0;
fields.forEach((field) => field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(preview, 250);
}));

async function follow() {
  const status = await get("/open/status");
  if (!status.words.length) return;
  const isRunning = status.exit_code === null;
  $("#progress").hidden = !isRunning;
  $("#start").disabled = isRunning || photos === 0;
  const bar = $("#progress progress");
  if (photos) {
    bar.max = photos;
    bar.value = Math.min(status.done, photos);
  }
  $("#progress span").textContent = `${status.done} photos corrected`;
  if (isRunning) {
    setTimeout(() => attempt(follow), POLL_MS);
  } else if (status.address && wasStarted) {
    location.assign(status.address);
  } else if (status.exit_code !== 0 && status.exit_code !== 3) {
    $("#said").hidden = false;
    $("#said").textContent = status.said;
  }
}

let wasStarted = false;
$("#open").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const { command } = await send("/open/start", wishes());
    showCommand(command);
    wasStarted = true;
    $("#said").hidden = true;
    await follow();
  });
});

async function upload(files) {
  const drop = $("#drop");
  const { folder } = drop.dataset;
  for (const [index, file] of [...files].entries()) {
    say(`Copying ${index + 1} of ${files.length}: ${file.name}`);
    await send(`/open/upload?${new URLSearchParams({ folder, name: file.name })}`, file);
  }
  say(`${files.length} copied`);
  $("#source").value = folder;
  $("#out").value = `${folder}-corrected`;
  await preview();
}

const drop = $("#drop");
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  attempt(() => upload(event.dataTransfer.files));
});
$("#files").addEventListener("change", (event) => attempt(() => upload(event.target.files)));
preview();
attempt(follow);
