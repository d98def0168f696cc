"use strict";
// Draw or choose a picture; the service answers; the answer is shown and read out.
const find = (id) => document.getElementById(id);
const pad = find("pad"), pen = pad.getContext("2d");
const SAMPLE = [[[90, 70], [190, 70], [150, 140], [120, 220]]]; // a seven: corners of its lines
let drawing = false, asked = 0, strokes = 0;

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, pad.width, pad.height);
  pen.strokeStyle = "#fff";
  pen.lineWidth = 22;
  pen.lineCap = pen.lineJoin = "round";
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
}

function soon() {
  const mine = ++strokes; // a later stroke, or a chosen picture, takes its place
  setTimeout(() => mine === strokes && pad.toBlob((blob) => mine === strokes && ask(blob), "image/png"), 150);
}

async function ask(picture) {
  const turn = ++asked;
  strokes += 1;
  find("problem").textContent = "";
  if (!picture) { return; }
  const form = new FormData();
  form.append("image", picture, "picture");
  let answer;
  try {
    const response = await fetch("/predict", { method: "POST", body: form });
    answer = await response.json();
  } catch {
    answer = { error: "The service does not answer: is it still running?" };
  }
  if (turn !== asked) { return; } // a later picture is on its way
  if (answer.error) { fail(answer.error); } else { show(answer); }
}

function fail(text) {
  find("words").textContent = "No answer.";
  find("bars").hidden = true;
  find("problem").textContent = text;
}

function show(answer) {
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  find("words").textContent = `Looks like: ${answer.label} (${percent(answer.confidence)})`;
  find("model").textContent = `Answered by ${answer.model.name}, version ${answer.model.version}. Nothing is kept.`;
  const rows = Object.entries(answer.probabilities).map(([label, share]) => {
    const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
    const bar = document.createElement("div"), length = document.createElement("span");
    head.scope = "row";
    head.textContent = label;
    bar.className = "bar";
    length.style.setProperty("--share", share);
    bar.append(length, percent(share));
    cell.append(bar);
    row.append(head, cell);
    return row;
  });
  find("bars").tBodies[0].replaceChildren(...rows);
  find("bars").hidden = false;
}

pad.addEventListener("pointerdown", (event) => {
  drawing = true;
  pad.setPointerCapture(event.pointerId);
  pen.beginPath();
  pen.moveTo(...place(event));
  event.preventDefault();
});
pad.addEventListener("pointermove", (event) => {
  if (!drawing) { return; }
  pen.lineTo(...place(event));
  pen.stroke();
  soon();
});
for (const name of ["pointerup", "pointercancel"]) {
  pad.addEventListener(name, () => { drawing = false; });
}
find("clear").addEventListener("click", () => {
  strokes += 1;
  asked += 1;
  clear();
  find("words").textContent = "Nothing asked yet.";
  find("problem").textContent = "";
  find("bars").hidden = true;
});
find("sample").addEventListener("click", () => {
  clear();
  for (const line of SAMPLE) {
    pen.beginPath();
    line.forEach((point, index) => (index ? pen.lineTo(...point) : pen.moveTo(...point)));
    pen.stroke();
  }
  soon();
});
find("file").addEventListener("change", (event) => ask(event.target.files[0]));
const drop = find("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  ask(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => ask([...event.clipboardData.files][0]));
clear();
