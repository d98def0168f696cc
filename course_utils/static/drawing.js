// The canvas of course_utils.drawing.DrawingPad: strokes go to Python, probabilities come back.
const SIDE = 112, SHOWN = 28;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const pad = element("canvas", { width: SIDE, height: SIDE, className: "pad", tabIndex: 0 });
  pad.setAttribute("role", "img");
  pad.setAttribute("aria-label", "Drawing pad: draw a digit with the mouse, a pen or a finger");
  const small = element("canvas", { width: SHOWN, height: SHOWN, className: "seen" });
  small.setAttribute("role", "img");
  small.setAttribute("aria-label", "The drawing as the network sees it, 28 by 28 pixels");
  const clear = element("button", { type: "button", textContent: "Clear" });
  const sample = element("button", { type: "button", textContent: "Show a sample" });
  const verdict = element("p", { className: "verdict", textContent: "Draw a digit." });
  verdict.setAttribute("aria-live", "polite");
  const bars = [...Array(10).keys()].map((digit) => {
    const bar = element("span", { className: "bar" });
    const row = element("div", { className: "row" }, element("span", { textContent: digit }), bar);
    return { bar, row };
  });
  const right = element("div", { className: "answers" }, verdict, ...bars.map(({ row }) => row));
  const left = element("div", {}, pad, element("div", {}, clear, sample));
  el.classList.add("drawing-pad");
  el.append(left, element("figure", {}, small, element("figcaption", { textContent: "what the network sees" })), right);

  const pen = pad.getContext("2d", { willReadFrequently: true });
  let last = null, waiting = false, shown = 0;
  const wipe = () => { pen.fillStyle = "black"; pen.fillRect(0, 0, SIDE, SIDE); };
  const send = () => {
    waiting = false;
    const colours = pen.getImageData(0, 0, SIDE, SIDE).data;
    const grey = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < grey.length; i += 1) grey[i] = colours[4 * i];
    model.set("pixels", new DataView(grey.buffer));
    model.save_changes();
  };
  const later = () => { if (!waiting) { waiting = true; setTimeout(send, 60); } };
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
  };
  const line = (from, to) => {
    pen.strokeStyle = "white"; pen.lineWidth = 9; pen.lineCap = "round";
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(...to); pen.stroke();
    later();
  };
  pad.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
  });
  pad.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const now = place(event);
    line(last, now);
    last = now;
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });
  clear.addEventListener("click", () => { wipe(); send(); });

  const paint = (context, bytes, scale) => {
    const image = new ImageData(SHOWN, SHOWN);
    for (let i = 0; i < SHOWN * SHOWN; i += 1) {
      image.data.set([bytes.getUint8(i), bytes.getUint8(i), bytes.getUint8(i), 255], 4 * i);
    }
    const sheet = element("canvas", { width: SHOWN, height: SHOWN });
    sheet.getContext("2d").putImageData(image, 0, 0);
    context.drawImage(sheet, 0, 0, SHOWN * scale, SHOWN * scale);
  };
  sample.addEventListener("click", () => {
    const all = model.get("samples"), size = SHOWN * SHOWN;
    if (!all || all.byteLength < size) return;
    const start = (shown % Math.floor(all.byteLength / size)) * size;
    shown += 1;
    wipe();
    paint(pen, new DataView(all.buffer, all.byteOffset + start, size), SIDE / SHOWN);
    send();
  });

  const answer = () => {
    const probabilities = model.get("probabilities");
    const best = probabilities.indexOf(Math.max(...probabilities));
    verdict.textContent = probabilities.length
      ? `Looks like a ${best} (${Math.round(100 * probabilities[best])} %)` : "Draw a digit.";
    bars.forEach(({ bar, row }, digit) => {
      bar.style.width = `${100 * (probabilities[digit] || 0)}%`;
      row.classList.toggle("best", digit === best);
    });
  };
  const look = () => {
    const seen = model.get("seen");
    if (seen && seen.byteLength === SHOWN * SHOWN) paint(small.getContext("2d"), seen, 1);
  };
  model.on("change:probabilities", answer);
  model.on("change:seen", look);
  wipe();
  answer();
  look();
}

export default { render };
